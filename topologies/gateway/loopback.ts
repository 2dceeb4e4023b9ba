/** Names of the loopback interface; the last is as a URL writes an address of IPv6. */
export const loopbackHosts: readonly string[] = ['127.0.0.1', 'localhost', '::1', '[::1]'];

/** Whether only this machine can reach a host. Other addresses of 127.0.0.0/8 are not counted. */
export function isLoopback(host: string): boolean {
  return loopbackHosts.includes(host);
}
