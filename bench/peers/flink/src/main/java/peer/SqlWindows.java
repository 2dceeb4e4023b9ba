package peer;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.Schema;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.types.Row;

/** Windows by Flink's SQL: those that hop share slices, and what comes between two checkpoints is added up before state is touched. */
final class SqlWindows {
  private SqlWindows() {}

  /** One row a key and window, when the watermark has passed its end. */
  static DataStream<Result> of(StreamExecutionEnvironment env, DataStream<Event> events, long minutes) {
    StreamTableEnvironment tables = StreamTableEnvironment.create(env);
    tables.getConfig().setLocalTimeZone(ZoneOffset.UTC);
    // The time of an event, and watermarks, are those that the source has given.
    Schema schema = Schema.newBuilder().column("key", "STRING").column("value", "DOUBLE")
        .columnByMetadata("event_time", DataTypes.TIMESTAMP_LTZ(3), "rowtime").watermark("event_time", "SOURCE_WATERMARK()").build();
    tables.createTemporaryView("events", events, schema);
    String windows = minutes == 1
        ? "TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' MINUTE)"
        : "HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' MINUTE, INTERVAL '" + minutes + "' MINUTE(3))";
    return tables.toDataStream(tables.sqlQuery(
        "SELECT `key`, window_start, COUNT(*), SUM(`value`), MAX(`value`) FROM TABLE(" + windows + ")"
            + " GROUP BY `key`, window_start, window_end"))
        .map(SqlWindows::result).returns(TypeInformation.of(Result.class));
  }

  private static Result result(Row row) {
    byte[] name = ((String) row.getField(0)).getBytes(StandardCharsets.ISO_8859_1);
    long start = ((LocalDateTime) row.getField(1)).toInstant(ZoneOffset.UTC).toEpochMilli();
    byte[] key = ByteBuffer.allocate(name.length + 8).put(name).putLong(start).array();
    Totals totals = new Totals();
    totals.count = (Long) row.getField(2);
    totals.sum = (Double) row.getField(3);
    totals.max = (Double) row.getField(4);
    return new Result(key, totals.bytes());
  }
}
