/** Light or dark, as the system or the viewer chose. */
export type Theme = 'system' | 'light' | 'dark';

const key = 'millrace.theme';
const systemIsDark = matchMedia('(prefers-color-scheme: dark)');
const themes: readonly Theme[] = ['system', 'light', 'dark'];

export function keptTheme(): Theme {
  const kept = localStorage.getItem(key);
  return themes.find((one) => one === kept) ?? 'system';
}

/** Applies the theme, and follows changes of the system's theme. */
export function followTheme(): void {
  applyTheme(keptTheme());
  systemIsDark.addEventListener('change', () => applyTheme(keptTheme()));
}

export function applyTheme(theme: Theme): void {
  localStorage.setItem(key, theme);
  const own = systemIsDark.matches ? 'dark' : 'light';
  document.documentElement.dataset['theme'] = theme === 'system' ? own : theme;
  // Curves are drawn on canvas and must be drawn again in the new colours.
  dispatchEvent(new Event('themechange'));
}

export function nextTheme(theme: Theme): Theme {
  return themes[(themes.indexOf(theme) + 1) % themes.length] ?? 'system';
}

/** A colour of the style sheet, for canvas. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
