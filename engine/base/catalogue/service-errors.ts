/** Errors of running processes and of requests to them. */
import type { CatalogueEntry } from './catalogue-entry.ts';

export const serviceErrors = {
  HTTP_UNAVAILABLE: {
    message: 'cannot listen on {host} port {port}: {problem}',
    remedy: 'choose another port (option `http`), or 0 for a free one',
    exitCode: 2,
  },
  UNHEALTHY: {
    message: 'the process at {address} is not ready: {problem}',
    remedy:
      'a process that starts or restores becomes ready without help; otherwise its log says what is wrong',
    exitCode: 1,
  },
  NOT_OURS: {
    message: 'only processes of the application may send this request',
    remedy: 'use another route; /openapi.json or a wrong path lists them',
    exitCode: 1,
  },
  OPERATE_REFUSED: {
    message: 'this server knows no accounts, so only this machine may operate the application',
    remedy:
      'use the command line there, or `serve --gateway` with an account that has the role operate',
    exitCode: 2,
  },
  APPLICATION_RUNS: {
    message: '{application} runs: {problem}',
    remedy: 'stop all of its processes, then try again; nothing was changed',
    exitCode: 2,
  },
  BODY_TOO_LARGE: {
    message: 'the body of the request has more than {bytes} bytes',
    remedy: 'send less in one request, e.g. one definition or fewer segments',
    exitCode: 2,
  },
  TOO_BUSY: {
    message: '{waiting} requests of this kind are running or waiting: no more are accepted',
    remedy: 'try again in {seconds} s',
    exitCode: 1,
  },
  QUESTION_TOO_LARGE: {
    message: 'the request was cancelled: {problem}',
    remedy: 'ask for fewer subjects or segments, or use the command of the same name',
    exitCode: 1,
  },
} as const satisfies Record<string, CatalogueEntry>;
