import { render } from 'preact';
import { App } from './app.tsx';
import { applyTheme, keptTheme } from './lib/theme.ts';

applyTheme(keptTheme());
const root = document.getElementById('app');
if (root !== null) render(<App />, root);
