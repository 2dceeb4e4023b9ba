/** An entry of the error catalogue. */
export interface CatalogueEntry {
  /** What is wrong; `{name}` is replaced by the context's value. */
  readonly message: string;
  /**
   * The remedy. A setting has its name in the API: (option `data`); the command line shows its own
   * names (cli/setting-flags.ts).
   */
  readonly remedy: string;
  /** Exit code of the command line: 1 run failed, 2 usage or configuration, 3 damaged data. */
  readonly exitCode: 1 | 2 | 3;
}
