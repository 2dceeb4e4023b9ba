package peer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
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
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.SlidingWindows;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.WindowedSerdes;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.apache.kafka.streams.state.WindowStore;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.Cache;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;
import org.rocksdb.RocksDB;

/**
 * Kafka Streams doing one job over a filled topic. Arguments: brokers, events, application, threads, guarantee,
 * commit interval in ms, job, input, output, settings (tuned or default), seconds at most,
 * format of the events. Prints one JSON line.
 */
public final class Peer {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Duration GRACE = Duration.ofSeconds(10);

  static final class Totals {
    long count;
    double sum;
    double max;
  }

  private static final Serde<Totals> TOTALS = Serdes.serdeFrom(
      (topic, totals) -> totals == null ? null
          : ByteBuffer.allocate(24).putLong(totals.count).putDouble(totals.sum).putDouble(totals.max).array(),
      (topic, bytes) -> {
        if (bytes == null) return null;
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        Totals totals = new Totals();
        totals.count = buffer.getLong();
        totals.sum = buffer.getDouble();
        totals.max = buffer.getDouble();
        return totals;
      });

  private static final Serde<JsonNode> NODE = Serdes.serdeFrom(
      (topic, node) -> {
        try {
          return node == null ? null : JSON.writeValueAsBytes(node);
        } catch (Exception e) {
          throw new IllegalStateException(e);
        }
      },
      (topic, bytes) -> {
        try {
          return bytes == null ? null : JSON.readTree(bytes);
        } catch (Exception e) {
          throw new IllegalStateException(e);
        }
      });

  private static Totals add(Event event, Totals totals) {
    return add(event.value(), totals);
  }

  private static Totals add(double x, Totals totals) {
    totals.count++;
    totals.sum += x;
    totals.max = Math.max(totals.max, x);
    return totals;
  }

  private static Totals merge(Totals a, Totals b) {
    Totals both = new Totals();
    both.count = a.count + b.count;
    both.sum = a.sum + b.sum;
    both.max = Math.max(a.max, b.max);
    return both;
  }

  private static JsonNode mapped(Event event) {
    ObjectNode result = JSON.createObjectNode();
    result.put("userId", event.userId());
    result.put("type", event.type());
    result.put("value", event.value() * 1.1);
    result.put("minute", event.ts() / 60_000);
    return result;
  }

  private static void build(
      StreamsBuilder builder, String job, String in0, KStream<String, Event> in, Serde<Event> events, String out) {
    KGroupedStream<String, Event> grouped = in.groupByKey(Grouped.with(Serdes.String(), events));
    EmitStrategy close = EmitStrategy.onWindowClose();
    switch (job) {
      case "map" -> in.filter((k, v) -> !v.type().equals("view"))
          .mapValues(Peer::mapped).to(out, Produced.with(Serdes.String(), NODE));
      case "map-project" -> in.filter((k, v) -> v.itemId().endsWith("00"))
          .mapValues(Peer::mapped).to(out, Produced.with(Serdes.String(), NODE));
      case "join-table" -> {
        KTable<String, JsonNode> users = builder.table(in0 + "-users", Consumed.with(Serdes.String(), NODE));
        in.join(users, (userId, event, user) -> {
          ObjectNode result = JSON.createObjectNode();
          result.put("userId", userId);
          result.put("value", event.value() * user.get("factor").doubleValue());
          return (JsonNode) result;
        }, Joined.with(Serdes.String(), events, NODE)).to(out, Produced.with(Serdes.String(), NODE));
      }
      case "join-streams" -> {
        KStream<String, Event> clicks = in.filter((k, v) -> v.type().equals("click"));
        KStream<String, Event> purchases = in.filter((k, v) -> v.type().equals("purchase"));
        clicks.join(purchases, (userId, click, purchase) -> {
          ObjectNode result = JSON.createObjectNode();
          result.put("userId", userId);
          result.put("value", click.value() + purchase.value());
          return (JsonNode) result;
        }, JoinWindows.ofTimeDifferenceAndGrace(Duration.ofSeconds(1), GRACE), StreamJoined.with(Serdes.String(), events, events))
            .to(out, Produced.with(Serdes.String(), NODE));
      }
      case "engagement" -> {
        Engagement.stores().forEach(builder::addStateStore);
        in.process(Engagement::new, Engagement.USERS, Engagement.DUE).to(out, Produced.with(Serdes.String(), NODE));
      }
      case "count" -> grouped.aggregate(Totals::new, (k, v, t) -> add(v, t), Materialized.with(Serdes.String(), TOTALS))
          .toStream().to(out, Produced.with(Serdes.String(), TOTALS));
      case "tumbling" -> hops(grouped, 1, 1, out);
      case "hopping10" -> hops(grouped, 10, 1, out);
      case "hopping60" -> hops(grouped, 60, 1, out);
      case "hopping360" -> hops(grouped, 360, 1, out);
      case "sliding" -> grouped
          .windowedBy(SlidingWindows.ofTimeDifferenceAndGrace(Duration.ofMinutes(1), GRACE)).emitStrategy(close)
          .aggregate(Totals::new, (k, v, t) -> add(v, t), Materialized.with(Serdes.String(), TOTALS))
          .toStream().to(out, Produced.with(new WindowedSerdes.TimeWindowedSerde<>(Serdes.String(), 60_000), TOTALS));
      case "session" -> grouped
          .windowedBy(SessionWindows.ofInactivityGapAndGrace(Duration.ofSeconds(30), GRACE)).emitStrategy(close)
          .aggregate(Totals::new, (k, v, t) -> add(v, t), (k, a, b) -> merge(a, b), Materialized.with(Serdes.String(), TOTALS))
          .toStream().to(out, Produced.with(new WindowedSerdes.SessionWindowedSerde<>(Serdes.String()), TOTALS));
      default -> throw new IllegalArgumentException(job);
    }
  }

  private static void hops(KGroupedStream<String, Event> grouped, long sizeMinutes, long advanceMinutes, String out) {
    TimeWindows windows = TimeWindows.ofSizeAndGrace(Duration.ofMinutes(sizeMinutes), GRACE)
        .advanceBy(Duration.ofMinutes(advanceMinutes));
    grouped.windowedBy(windows).emitStrategy(EmitStrategy.onWindowClose())
        .aggregate(Totals::new, (k, v, t) -> add(v, t), Materialized.with(Serdes.String(), TOTALS))
        .toStream().to(out, Produced.with(new WindowedSerdes.TimeWindowedSerde<>(Serdes.String(), sizeMinutes * 60_000), TOTALS));
  }

  /** By item: what is sent on is the value alone. */
  private static void rekeyed(KStream<String, Event> in, Runnable note, String out) {
    // At first it looks for closed windows minute by minute since 1970, where there is a cache; a sale has a window alone.
    Materialized<String, Totals, WindowStore<Bytes, byte[]>> uncached =
        Materialized.<String, Totals, WindowStore<Bytes, byte[]>>with(Serdes.String(), TOTALS).withCachingDisabled();
    in.map((k, v) -> KeyValue.pair(v.itemId(), v.value()))
        .repartition(Repartitioned.with(Serdes.String(), Serdes.Double()).withName("by-item").withNumberOfPartitions(4))
        .peek((k, v) -> note.run())
        .groupByKey(Grouped.with(Serdes.String(), Serdes.Double()))
        .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMinutes(1), GRACE)).emitStrategy(EmitStrategy.onWindowClose())
        .aggregate(Totals::new, (k, v, t) -> add(v, t), uncached)
        .toStream().to(out, Produced.with(new WindowedSerdes.TimeWindowedSerde<>(Serdes.String(), 60_000), TOTALS));
  }

  public static void main(String[] args) throws Exception {
    String brokers = args[0];
    long events = Long.parseLong(args[1]);
    String job = args[6];
    boolean tuned = args[9].equals("tuned");
    AtomicLong seen = new AtomicLong();
    AtomicLong quarterAt = new AtomicLong();
    AtomicLong doneAt = new AtomicLong();
    StreamsBuilder builder = new StreamsBuilder();
    Serde<Event> format = EventSerdes.of(args[11]);
    Runnable note = () -> {
      long n = seen.incrementAndGet();
      if (n == events / 4) quarterAt.set(System.nanoTime());
      else if (n == events) doneAt.set(System.nanoTime());
    };
    KStream<String, Event> in = builder.stream(args[7], Consumed.with(Serdes.String(), format));
    // What waits in the repartition topic is not done.
    if (job.equals("rekey")) rekeyed(in, note, args[8]);
    else build(builder, job, args[7], in.peek((k, v) -> note.run()), format, args[8]);
    Properties p = new Properties();
    p.put("bootstrap.servers", brokers);
    p.put("application.id", args[2]);
    p.put("num.stream.threads", args[3]);
    p.put("processing.guarantee", args[4].equals("exactly-once") ? "exactly_once_v2" : "at_least_once");
    p.put("commit.interval.ms", args[5]);
    p.put("auto.offset.reset", "earliest");
    p.put("replication.factor", "1");
    // Else the next run of the application waits until this one's session is over.
    p.put("consumer.internal.leave.group.on.close", "true");
    Path state = Files.createTempDirectory("kafka-streams-peer");
    p.put("state.dir", state.toString());
    // Each window that has closed is told at once, so that what is missing in the end is lost.
    if (job.equals("rekey")) p.put("__emit.interval.ms.kstreams.windowed.aggregation__", "0");
    if (tuned) {
      p.put("statestore.cache.max.bytes", "536870912");
      p.put("consumer.max.poll.records", "10000");
      p.put("producer.linger.ms", "50");
      p.put("producer.batch.size", "262144");
      p.put("producer.compression.type", "lz4");
      // A thread that is held up for 10 s, the default, is thrown out, and begins anew.
      p.put("producer.transaction.timeout.ms", "60000");
      p.put("rocksdb.config.setter", Tuned.class.getName());
    }
    long begin = System.nanoTime();
    KafkaStreams streams = new KafkaStreams(builder.build(p), p);
    streams.start();
    long deadline = System.nanoTime() + Long.parseLong(args[10]) * 1_000_000_000L;
    while (doneAt.get() == 0 && System.nanoTime() < deadline) Thread.sleep(10);
    long end = doneAt.get() == 0 ? System.nanoTime() : doneAt.get();
    long reached = seen.get();
    long from = quarterAt.get() == 0 ? begin : quarterAt.get();
    double rate = (reached - (quarterAt.get() == 0 ? 0 : events / 4)) / ((end - from) / 1e9);
    double cpu = ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime() / 1e9;
    // What was seen is written before the end is told.
    streams.close(Duration.ofSeconds(30));
    System.out.printf(Locale.ROOT,
        "{\"events\":%d,\"eventsPerSecond\":%.0f,\"totalSeconds\":%.2f,\"cpuSeconds\":%.2f,\"rssMiB\":%d,\"stateBytes\":%d}%n",
        reached, rate, (end - begin) / 1e9, cpu, peakMiB(), bytesUnder(state));
    delete(state);
    System.exit(0);
  }

  private static long bytesUnder(Path folder) throws Exception {
    try (Stream<Path> files = Files.walk(folder)) {
      return files.filter(Files::isRegularFile).mapToLong(file -> file.toFile().length()).sum();
    }
  }

  private static void delete(Path folder) throws Exception {
    try (Stream<Path> files = Files.walk(folder)) {
      files.sorted(Comparator.reverseOrder()).forEach(file -> file.toFile().delete());
    }
  }

  private static long peakMiB() throws Exception {
    return Files.readAllLines(Path.of("/proc/self/status")).stream().filter(l -> l.startsWith("VmHWM"))
        .mapToLong(l -> Long.parseLong(l.replaceAll("\\D", "")) / 1024).findFirst().orElse(0);
  }

  public static final class Tuned implements RocksDBConfigSetter {
    static {
      RocksDB.loadLibrary();
    }
    private static final Cache CACHE = new LRUCache(1L << 30);

    @Override
    public void setConfig(String store, Options options, Map<String, Object> configs) {
      BlockBasedTableConfig table = (BlockBasedTableConfig) options.tableFormatConfig();
      table.setBlockCache(CACHE);
      options.setTableFormatConfig(table);
      options.setWriteBufferSize(64L << 20);
    }

    @Override
    public void close(String store, Options options) {}
  }
}
