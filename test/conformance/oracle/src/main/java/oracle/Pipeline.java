package oracle;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.CogroupedKStream;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.SlidingWindows;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.Suppressed.BufferConfig;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;

/** The stages of a case as a topology. Every value is `group:number`; README.md says what a stage does. */
final class Pipeline {
  private static final Serde<String> TEXT = Serdes.String();

  private final StreamsBuilder builder = new StreamsBuilder();
  private final List<JsonNode> stages;
  private final List<String> topics = new ArrayList<>();
  private final boolean rekeys;
  private KStream<String, String> stream;
  private KTable<String, String> table;

  /**
   * @param cut it goes on from the part before it, which has written to the topic `cut`
   * @param rekeys its records go on under their group
   */
  Pipeline(List<JsonNode> stages, boolean cut, boolean rekeys) {
    this.stages = stages;
    this.rekeys = rekeys;
    if (cut) stream = source("cut");
  }

  /** The topics it reads. */
  List<String> topics() {
    return topics;
  }

  Topology build(Properties settings) {
    for (JsonNode stage : stages) add(stage);
    if (rekeys) stream = stream.selectKey((k, v) -> group(v));
    (table == null ? stream : table.toStream()).to("out", Produced.with(TEXT, TEXT));
    return builder.build(settings);
  }

  private void add(JsonNode stage) {
    switch (stage.get("op").asText()) {
      case "stream" -> stream = source("left");
      case "table" -> table = rows("left", stage);
      case "filter" -> stream = stream.filter((k, v) -> number(v) % 3 != 0);
      case "map" -> stream = stream.mapValues(v -> value(group(v), number(v) + 1));
      case "rekey" -> stream = stream.selectKey((k, v) -> group(v));
      case "merge" -> stream = stream.merge(source("right"));
      case "joinTable" -> {
        Joined<String, String, String> joined = Joined.with(TEXT, TEXT, TEXT);
        stream = left(stage)
            ? stream.leftJoin(rows("rows", stage), Pipeline::joined, joined)
            : stream.join(rows("rows", stage), Pipeline::joined, joined);
      }
      case "joinStream" -> stream = stream.join(source("right"), Pipeline::joined, joinWindows(stage),
          StreamJoined.with(TEXT, TEXT, TEXT));
      case "window" -> stream = unwindowed(emitted(windows(stage), stage));
      case "aggregate" -> toTable(grouped(stream).aggregate(() -> "0", (k, v, a) -> added(a, number(v)), Materialized.with(TEXT, TEXT)));
      case "cogroup" -> toTable(cogrouped().aggregate(() -> "0", Materialized.with(TEXT, TEXT)));
      case "cogroupWindow" -> stream = unwindowed(emitted(cogroupWindows(stage), stage));
      case "tableMap" -> table = table.mapValues(v -> value(group(v), number(v) + 1));
      case "tableFilter" -> table = table.filter((k, v) -> number(v) % 3 != 0);
      case "tableJoin" -> table = switch (stage.get("join").asText()) {
        case "left" -> table.leftJoin(rows("rows", stage), Pipeline::joined);
        case "outer" -> table.outerJoin(rows("rows", stage), Pipeline::joined);
        default -> table.join(rows("rows", stage), Pipeline::joined);
      };
      case "groupTable" -> toTable(table
          .groupBy((k, v) -> KeyValue.pair(group(v), v), Grouped.with(TEXT, TEXT))
          .aggregate(() -> "0", (k, v, a) -> added(a, number(v)), (k, v, a) -> added(a, -number(v)), Materialized.with(TEXT, TEXT)));
      case "foreignKey" -> {
        Materialized<String, String, KeyValueStore<Bytes, byte[]>> store = Materialized.as("joined-store");
        table = left(stage)
            ? table.leftJoin(rows("places", stage), Pipeline::group, Pipeline::joined, store)
            : table.join(rows("places", stage), Pipeline::group, Pipeline::joined, store);
      }
      case "changes" -> {
        stream = table.toStream().filter((k, v) -> v != null);
        table = null;
      }
      default -> throw new IllegalArgumentException(stage.toString());
    }
  }

  /** An aggregate becomes `key:sum`. */
  private void toTable(KTable<String, String> sums) {
    table = sums.mapValues((k, sum) -> k + ":" + sum);
    stream = null;
  }

  private KStream<String, String> source(String topic) {
    topics.add(topic);
    return builder.stream(topic, Consumed.with(TEXT, TEXT));
  }

  /** With a store of its own, as ours, and so the foreign-key join: else a filter deletes rows that never passed (KAFKA-10077). */
  private KTable<String, String> rows(String topic, JsonNode stage) {
    topics.add(topic);
    Materialized<String, String, KeyValueStore<Bytes, byte[]>> store = stage.has("historyMs")
        ? Materialized.as(Stores.persistentVersionedKeyValueStore(topic + "-store", ms(stage, "historyMs")))
        : Materialized.as(topic + "-store");
    return builder.table(topic, Consumed.with(TEXT, TEXT), store);
  }

  private static KGroupedStream<String, String> grouped(KStream<String, String> stream) {
    return stream.groupByKey(Grouped.with(TEXT, TEXT));
  }

  private CogroupedKStream<String, String> cogrouped() {
    return grouped(stream).<String>cogroup((k, v, a) -> added(a, number(v)))
        .cogroup(grouped(source("right")), (k, v, a) -> added(a, 100 * number(v)));
  }

  private static EmitStrategy strategy(JsonNode stage) {
    return stage.get("emit").asText().equals("close") ? EmitStrategy.onWindowClose() : EmitStrategy.onWindowUpdate();
  }

  private KTable<Windowed<String>, String> windows(JsonNode stage) {
    JsonNode window = stage.get("window");
    Materialized<String, String, WindowStore<Bytes, byte[]>> store = Materialized.with(TEXT, TEXT);
    KGroupedStream<String, String> grouped = grouped(stream);
    return switch (window.get("type").asText()) {
      case "session" -> grouped.windowedBy(session(window)).emitStrategy(strategy(stage))
          .aggregate(() -> "0", (k, v, a) -> added(a, number(v)), (k, a, b) -> added(a, Long.parseLong(b)),
              Materialized.<String, String, SessionStore<Bytes, byte[]>>with(TEXT, TEXT));
      case "sliding" -> grouped.windowedBy(sliding(window)).emitStrategy(strategy(stage))
          .aggregate(() -> "0", (k, v, a) -> added(a, number(v)), store);
      default -> grouped.windowedBy(time(window)).emitStrategy(strategy(stage))
          .aggregate(() -> "0", (k, v, a) -> added(a, number(v)), store);
    };
  }

  private KTable<Windowed<String>, String> cogroupWindows(JsonNode stage) {
    JsonNode window = stage.get("window");
    Materialized<String, String, WindowStore<Bytes, byte[]>> store = Materialized.with(TEXT, TEXT);
    return switch (window.get("type").asText()) {
      case "session" -> cogrouped().windowedBy(session(window))
          .aggregate(() -> "0", (k, a, b) -> added(a, Long.parseLong(b)),
              Materialized.<String, String, SessionStore<Bytes, byte[]>>with(TEXT, TEXT));
      case "sliding" -> cogrouped().windowedBy(sliding(window)).aggregate(() -> "0", store);
      default -> cogrouped().windowedBy(time(window)).aggregate(() -> "0", store);
    };
  }

  private static KTable<Windowed<String>, String> emitted(KTable<Windowed<String>, String> table, JsonNode stage) {
    return switch (stage.get("emit").asText()) {
      case "suppress" -> table.suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded()));
      case "limit" -> table.suppress(Suppressed.untilTimeLimit(ms(stage, "limitMs"), stage.has("maxRecords")
          ? BufferConfig.maxRecords(stage.get("maxRecords").asLong()).emitEarlyWhenFull()
          : BufferConfig.unbounded()));
      default -> table;
    };
  }

  /** A window's result goes on under its key, its window in the group. */
  private static KStream<String, String> unwindowed(KTable<Windowed<String>, String> table) {
    return table.toStream().filter((w, v) -> v != null)
        .map((w, v) -> KeyValue.pair(w.key(), w.key() + "@" + w.window().start() + "-" + w.window().end() + ":" + v));
  }

  private static TimeWindows time(JsonNode window) {
    TimeWindows windows = TimeWindows.ofSizeAndGrace(ms(window, "sizeMs"), ms(window, "graceMs"));
    return window.has("advanceMs") ? windows.advanceBy(ms(window, "advanceMs")) : windows;
  }

  private static SlidingWindows sliding(JsonNode window) {
    return SlidingWindows.ofTimeDifferenceAndGrace(ms(window, "sizeMs"), ms(window, "graceMs"));
  }

  private static SessionWindows session(JsonNode window) {
    return SessionWindows.ofInactivityGapAndGrace(ms(window, "gapMs"), ms(window, "graceMs"));
  }

  private static JoinWindows joinWindows(JsonNode stage) {
    return JoinWindows.ofTimeDifferenceAndGrace(ms(stage, "afterMs"), ms(stage, "graceMs")).before(ms(stage, "beforeMs"));
  }

  private static Duration ms(JsonNode node, String field) {
    return Duration.ofMillis(node.get(field).asLong());
  }

  private static boolean left(JsonNode stage) {
    return stage.get("join").asText().equals("left");
  }

  private static String group(String value) {
    return value.substring(0, value.lastIndexOf(':'));
  }

  private static long number(String value) {
    return Long.parseLong(value.substring(value.lastIndexOf(':') + 1));
  }

  private static String value(String group, long number) {
    return group + ":" + number;
  }

  private static String added(String sum, long number) {
    return Long.toString(Long.parseLong(sum) + number);
  }

  /** The left group where there is one; a missing side counts 1000 less. */
  private static String joined(String left, String right) {
    long sum = (left == null ? -1000 : number(left)) + (right == null ? -1000 : number(right));
    return value(group(left == null ? right : left), sum);
  }
}
