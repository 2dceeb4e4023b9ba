/**
 * Messages between the main thread and a worker: calls of the HostPort by name, results by number.
 */
import type { MessagePort } from 'node:worker_threads';
import type { ErrorImage } from '../base/errors.ts';
import type { BackendChoice } from '../storage/backends.ts';
import type { HostConfig, HostPort } from '../task/host-port.ts';
import type { TopologyReference } from './load-topology.ts';

export interface WorkerStart {
  /** The host that the thread makes; undefined: it is to load only, and to end with its port. */
  readonly work: HostStart | undefined;
  readonly port: MessagePort;
}

export interface HostStart {
  readonly reference: TopologyReference;
  /** Fingerprint on the main thread; the worker's must be equal. */
  readonly fingerprint: string;
  readonly config: HostConfig;
  readonly stateBackend: BackendChoice;
}

export interface Call {
  readonly id: number;
  readonly method: keyof HostPort;
  readonly args: readonly unknown[];
}

export type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: ErrorImage };

/** Buffers inside a message that are transferred, not copied. */
export function buffersIn(value: unknown): ArrayBuffer[] {
  if (value instanceof ArrayBuffer) return [value];
  if (Array.isArray(value)) return value.flatMap(buffersIn);
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return [];
  return Object.values(value).flatMap(buffersIn);
}
