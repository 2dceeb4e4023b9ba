import { json, topic, topology } from 'millrace';

export default topology('two-topics', (t) => {
  for (const name of ['a', 'b']) {
    t.stream(topic<string, unknown>(name, { value: json() })).to(
      topic<string, unknown>(`${name}-out`, { value: json() }),
    );
  }
});
