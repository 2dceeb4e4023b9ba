/** Where the viewer is: the parts of the address behind #/. */
import { useEffect, useState } from 'preact/hooks';

export function placeNow(): string[] {
  return location.hash
    .replace(/^#\/?/, '')
    .split('/')
    .filter((part) => part !== '')
    .map((part) => {
      try {
        return decodeURIComponent(part);
      } catch {
        return part;
      }
    });
}

export function go(...parts: readonly string[]): void {
  location.hash = linkTo(...parts);
}

export function linkTo(...parts: readonly string[]): string {
  return `#/${parts.map(encodeURIComponent).join('/')}`;
}

export function usePlace(): [readonly string[]] {
  const [place, setPlace] = useState(placeNow());
  useEffect(() => {
    const moved = () => setPlace(placeNow());
    addEventListener('hashchange', moved);
    return () => removeEventListener('hashchange', moved);
  }, []);
  return [place];
}
