/**
 * The application shipped with the command line, as far as the engine's commands need it. The
 * program that combines both provides it.
 */
import type { RowMappings } from '../connect/row-mapping.ts';

export interface ShippedApplication {
  /** For `--mapping`, for `--sources`, and for rows that a replay maps again. */
  readonly mappings: RowMappings;
  /** Its topology, the default of `sources test`. */
  readonly module: string;
  /** The program that `dev` runs for each version; it calls `serveVersion`. */
  readonly versionProgram: URL;
  /**
   * Checks the other fields in the file of `--sources`.
   * @throws CONFIG_INVALID with the first mistake
   */
  checkBesideSources(others: Readonly<Record<string, unknown>>): void;
}
