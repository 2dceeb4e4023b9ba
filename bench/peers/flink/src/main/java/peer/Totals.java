package peer;

import java.nio.ByteBuffer;
import org.apache.flink.api.common.functions.AggregateFunction;

/** Count, sum and greatest value; 24 bytes, big-endian, as every peer writes them. */
public final class Totals {
  public long count;
  public double sum;
  public double max;

  void add(double value) {
    count++;
    sum += value;
    max = Math.max(max, value);
  }

  void add(Totals other) {
    count += other.count;
    sum += other.sum;
    max = Math.max(max, other.max);
  }

  byte[] bytes() {
    return ByteBuffer.allocate(24).putLong(count).putDouble(sum).putDouble(max).array();
  }

  /** Of the events of a window. */
  static final class OfWindow implements AggregateFunction<Event, Totals, Totals> {
    @Override
    public Totals createAccumulator() {
      return new Totals();
    }

    @Override
    public Totals add(Event event, Totals totals) {
      totals.add(event.value);
      return totals;
    }

    @Override
    public Totals getResult(Totals totals) {
      return totals;
    }

    @Override
    public Totals merge(Totals a, Totals b) {
      a.add(b);
      return a;
    }
  }
}
