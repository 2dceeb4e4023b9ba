/**
 * The application that the command line is shipped with: what the engine's own commands need of it.
 * It is given by the program that puts both together.
 */
import type { RowMappings } from '../connect/row-mapping.ts';

export interface ShippedApplication {
  /** Of `--mapping`, of `--sources`, and of rows that a replay puts through their mapping again. */
  readonly mappings: RowMappings;
  /** Its topology, on which `sources test` tries a source unless another is named. */
  readonly module: string;
  /** The program of one version that `dev` runs: it calls `serveVersion`. */
  readonly versionProgram: URL;
  /**
   * Checks what the file of `--sources` holds beside them.
   * @throws CONFIG_INVALID with the first mistake
   */
  checkBesideSources(others: Readonly<Record<string, unknown>>): void;
}
