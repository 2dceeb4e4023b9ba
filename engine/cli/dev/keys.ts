/** Single keys from a terminal or from standard input. */

/**
 * Calls `onKey` with each key until it is closed. Ctrl-C is a key too, because the terminal is raw.
 */
export function readKeys(onKey: (key: string) => void): { close(): void } {
  const { stdin } = process;
  const told = (text: Buffer) => {
    for (const key of text.toString()) if (key.trim() !== '' || key === '\u0003') onKey(key);
  };
  // Without an input there are no keys; everything else works.
  stdin.on('error', () => {});
  stdin.on('data', told);
  if (stdin.isTTY) stdin.setRawMode(true);
  return {
    close: () => {
      if (stdin.isTTY) stdin.setRawMode(false);
      stdin.off('data', told);
      stdin.pause();
    },
  };
}
