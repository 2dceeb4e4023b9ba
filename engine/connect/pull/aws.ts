/** Shared parts of AWS sources: endpoint, credentials, and which failures are temporary. */
import { isMillraceError, type MillraceError, messageOf } from '../../base/errors.ts';
import { refused, unavailable } from './puller.ts';
import { readSecret, type SecretSpec, type Secrets } from './secrets.ts';

export interface AwsSpec {
  readonly endpoint?: string;
  readonly region?: string;
  readonly credentials?: { readonly accessKeyId: SecretSpec; readonly secretAccessKey: SecretSpec };
}

/** Timeouts of a connection and of a request, ms. */
export const awsTimeouts = { connectionTimeout: 10_000, requestTimeout: 60_000 };

/** Settings of a client; the SDK resolves missing ones as usual. */
export async function awsSettings(source: string, spec: AwsSpec, secrets: Secrets) {
  const { endpoint, region, credentials } = spec;
  const read = async (of: SecretSpec, field: string) =>
    (await readSecret(of, `sources.${source}.credentials.${field}`, secrets)).reveal();
  const own =
    credentials === undefined
      ? undefined
      : {
          accessKeyId: await read(credentials.accessKeyId, 'accessKeyId'),
          secretAccessKey: await read(credentials.secretAccessKey, 'secretAccessKey'),
        };
  return {
    // The source does the retries, which are reported and unlimited.
    maxAttempts: 1,
    ...(endpoint === undefined ? {} : { endpoint }),
    // Most services other than Amazon's ignore it.
    ...(region === undefined
      ? endpoint === undefined
        ? {}
        : { region: 'us-east-1' }
      : { region }),
    ...(own === undefined ? {} : { credentials: own }),
  };
}

const passing =
  /Throttl|TooManyRequests|SlowDown|LimitExceeded|ProvisionedThroughput|Unavailable|Timeout|InternalError|InternalFailure|PreconditionFailed|ExpiredToken|ExpiredIterator|ResourceInUse|KMSThrottling/i;

/** @returns SOURCE_UNAVAILABLE where asking again may help, else SOURCE_REFUSED */
export function awsError(source: string, error: unknown): MillraceError {
  if (isMillraceError(error)) return error;
  const { name = '', $metadata } = (error ?? {}) as {
    name?: string;
    $metadata?: { httpStatusCode?: number };
  };
  const status = $metadata?.httpStatusCode;
  const told = messageOf(error);
  const problem = name === '' || name === 'Error' ? told : `${name}: ${told}`;
  const isRefusal = status !== undefined && status >= 400 && status < 500 && status !== 429;
  const needsSetting = name === 'CredentialsProviderError' || /region is missing/i.test(told);
  if (needsSetting || (isRefusal && !passing.test(name))) return refused(source, problem);
  return unavailable(source, problem);
}
