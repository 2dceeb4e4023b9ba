/** A topology as an engineer writes it in a project of their own, for the check of the package. */
import { count, minutes, topic, topology, tumbling } from 'millrace';

const clicks = topic<string, { readonly page: string }>('clicks');

export default topology('clicks', (t) => {
  const perPage = t
    .stream(clicks)
    .keyBy('by-page', (click) => click.page)
    .window(tumbling({ size: minutes(1), grace: minutes(1) }))
    .aggregate('per-page', count());
  return { perPage };
});
