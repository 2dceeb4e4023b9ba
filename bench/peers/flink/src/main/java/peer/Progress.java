package peer;

import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.stream.LongStream;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;

/** How far the job is. All of it runs in this process, so that its tasks can tell. */
final class Progress {
  static volatile long events;
  static final AtomicLong READ = new AtomicLong();
  /** By System.nanoTime(); 0 before. */
  static final AtomicLong QUARTER_AT = new AtomicLong();
  static final AtomicLong DONE_AT = new AtomicLong();
  /** Greatest timestamp by source partition; each is written by one thread. */
  private static final AtomicLongArray GREATEST = new AtomicLongArray(64);
  /** Watermark by subtask of the last step. */
  private static final AtomicLongArray WATERMARKS = new AtomicLongArray(64);

  private Progress() {}

  static void read(int partition, long timestamp) {
    if (timestamp > GREATEST.get(partition)) GREATEST.lazySet(partition, timestamp);
    long n = READ.incrementAndGet();
    if (n == events / 4) QUARTER_AT.set(System.nanoTime());
    else if (n == events) DONE_AT.set(System.nanoTime());
  }

  /** Whether every subtask of the last step has heard how far all partitions are. */
  static boolean hasPassed(int subtasks, long boundMs) {
    long least = LongStream.range(0, 64).map(i -> GREATEST.get((int) i)).filter(at -> at > 0).min().orElse(0);
    for (int i = 0; i < subtasks; i++) if (WATERMARKS.get(i) < least - boundMs - 1) return false;
    return true;
  }

  /** Passes results on, and notes the watermark behind them. */
  static final class Noted extends AbstractStreamOperator<Result> implements OneInputStreamOperator<Result, Result> {
    @Override
    public void processElement(StreamRecord<Result> result) {
      output.collect(result);
    }

    @Override
    public void processWatermark(Watermark mark) throws Exception {
      WATERMARKS.set(getRuntimeContext().getTaskInfo().getIndexOfThisSubtask(), mark.getTimestamp());
      super.processWatermark(mark);
    }
  }
}
