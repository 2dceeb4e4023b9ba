package peer;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;

/**
 * Totals by key; one result a key and checkpoint, as the others tell one a commit. What comes between two checkpoints is
 * added up before state is touched, as the bundles of Flink's SQL do it.
 */
final class NewestTotals extends AbstractStreamOperator<Result> implements OneInputStreamOperator<Event, Result> {
  private transient Map<String, Totals> changed;
  private transient ValueState<Totals> state;

  @Override
  public void open() throws Exception {
    super.open();
    changed = new HashMap<>();
    state = getRuntimeContext().getState(new ValueStateDescriptor<>("totals", Totals.class));
  }

  @Override
  public void processElement(StreamRecord<Event> element) {
    Event event = element.getValue();
    changed.computeIfAbsent(event.key, key -> new Totals()).add(event.value);
  }

  @Override
  public void prepareSnapshotPreBarrier(long checkpointId) throws Exception {
    StreamRecord<Result> record = new StreamRecord<>(null);
    for (Map.Entry<String, Totals> one : changed.entrySet()) {
      setCurrentKey(one.getKey());
      Totals before = state.value();
      Totals totals = one.getValue();
      if (before != null) totals.add(before);
      state.update(totals);
      output.collect(record.replace(new Result(one.getKey().getBytes(StandardCharsets.ISO_8859_1), totals.bytes())));
    }
    changed.clear();
  }
}
