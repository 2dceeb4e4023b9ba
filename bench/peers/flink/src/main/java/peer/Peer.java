package peer;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.sink.TransactionNamingStrategy;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.co.ProcessJoinFunction;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.EventTimeSessionWindows;
import org.apache.flink.streaming.api.windowing.assigners.SlidingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.assigners.WindowAssigner;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;

/**
 * Flink doing one job over a filled topic, all of it in this process. Arguments: brokers, events, application, threads,
 * guarantee, ms from one checkpoint to the next, job, input, output, state (heap or rocksdb), seconds at most, windows
 * (datastream or sql). Prints one JSON line.
 */
public final class Peer {
  /** How far events may be out of order: the others' grace. */
  private static final Duration BOUND = Duration.ofSeconds(10);
  private static final Duration GAP = Duration.ofSeconds(30);
  /** Jobs in which nothing depends on time. */
  private static final Set<String> TIMELESS = Set.of("map", "map-project", "count");
  /** Size of windows of which one begins each minute. */
  private static final Map<String, Long> MINUTES =
      Map.of("tumbling", 1L, "rekey", 1L, "hopping10", 10L, "hopping60", 60L, "hopping360", 360L);
  private static final JsonFactory JSON = new JsonFactory();

  private Peer() {}

  private static byte[] bytesOf(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }

  private static Result mapped(Event event) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream(96);
    try (JsonGenerator json = JSON.createGenerator(bytes)) {
      json.writeStartObject();
      json.writeStringField("userId", event.key);
      json.writeStringField("type", event.type);
      json.writeNumberField("value", event.value * 1.1);
      json.writeNumberField("minute", event.ts / 60_000);
      json.writeEndObject();
    }
    return new Result(bytesOf(event.key), bytes.toByteArray());
  }

  private static final class Pair extends ProcessJoinFunction<Event, Event, Result> {
    @Override
    public void processElement(Event click, Event purchase, Context context, Collector<Result> out) throws IOException {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream(64);
      try (JsonGenerator json = JSON.createGenerator(bytes)) {
        json.writeStartObject();
        json.writeStringField("userId", click.key);
        json.writeNumberField("value", click.value + purchase.value);
        json.writeEndObject();
      }
      out.collect(new Result(bytesOf(click.key), bytes.toByteArray()));
    }
  }

  /** Gives a window's totals the key that the others write. */
  private static final class Keyed extends ProcessWindowFunction<Totals, Result, String, TimeWindow> {
    private final boolean session;

    Keyed(boolean session) {
      this.session = session;
    }

    @Override
    public void process(String key, Context context, Iterable<Totals> totals, Collector<Result> out) {
      TimeWindow window = context.window();
      byte[] name = bytesOf(key);
      ByteBuffer bytes = ByteBuffer.allocate(name.length + (session ? 16 : 8)).put(name);
      // A session of theirs ends with its last event, not a gap after it.
      if (session) bytes.putLong(window.getEnd() - GAP.toMillis());
      bytes.putLong(window.getStart());
      out.collect(new Result(bytes.array(), totals.iterator().next().bytes()));
    }
  }

  private static DataStream<Result> hops(KeyedStream<Event, String> events, long minutes) {
    Duration advance = Duration.ofMinutes(1);
    return windowed(events, minutes == 1
        ? TumblingEventTimeWindows.of(advance)
        : SlidingEventTimeWindows.of(Duration.ofMinutes(minutes), advance));
  }

  private static DataStream<Result> windowed(
      KeyedStream<Event, String> events, WindowAssigner<Object, TimeWindow> windows) {
    Keyed keyed = new Keyed(windows instanceof EventTimeSessionWindows);
    return noted(events.window(windows).aggregate(new Totals.OfWindow(), keyed));
  }

  private static DataStream<Result> noted(DataStream<Result> results) {
    return results.transform("noted", TypeInformation.of(Result.class), new Progress.Noted());
  }

  private static DataStream<Result> results(String job, DataStream<Event> events) {
    KeyedStream<Event, String> keyed = events.keyBy(event -> event.key);
    return switch (job) {
      case "map" -> events.filter(event -> !event.type.equals("view")).map(Peer::mapped).returns(Result.class);
      case "map-project" -> events.filter(event -> event.itemId.endsWith("00")).map(Peer::mapped).returns(Result.class);
      case "count" -> keyed.transform("count", TypeInformation.of(Result.class), new NewestTotals());
      case "tumbling", "rekey", "hopping10", "hopping60", "hopping360" -> hops(keyed, MINUTES.get(job));
      case "session" -> windowed(keyed, EventTimeSessionWindows.withGap(GAP));
      case "join-streams" -> events.filter(event -> event.type.equals("click")).keyBy(event -> event.key)
          .intervalJoin(events.filter(event -> event.type.equals("purchase")).keyBy(event -> event.key))
          .between(Duration.ofSeconds(-1), Duration.ofSeconds(1)).process(new Pair());
      default -> throw new IllegalArgumentException(job);
    };
  }

  private static Configuration settings(Path folder, int threads, String state) {
    Configuration settings = new Configuration();
    settings.setString("state.backend.type", state.equals("rocksdb") ? "rocksdb" : "hashmap");
    settings.setString("execution.checkpointing.storage", "filesystem");
    settings.setString("execution.checkpointing.dir", folder.toUri().toString());
    settings.setString("execution.checkpointing.incremental", "true");
    // No step changes what it was given, so nothing need be copied between two of a chain.
    settings.setString("pipeline.object-reuse", "true");
    settings.setString("execution.buffer-timeout.interval", "100 ms");
    settings.setString("taskmanager.numberOfTaskSlots", String.valueOf(threads));
    settings.setString("taskmanager.memory.network.min", "256m");
    settings.setString("taskmanager.memory.network.max", "256m");
    // RocksDB's, shared by its caches and memtables: as much as Kafka Streams' block cache has.
    settings.setString("taskmanager.memory.managed.size", "1g");
    return settings;
  }

  private static KafkaSource<Event> source(String brokers, String topic, String group, String job) {
    return KafkaSource.<Event>builder().setBootstrapServers(brokers).setTopics(topic).setGroupId(group)
        .setStartingOffsets(OffsetsInitializer.earliest()).setDeserializer(new EventReader(job))
        .setProperty("isolation.level", "read_committed")
        .setProperty("max.partition.fetch.bytes", "4194304").setProperty("max.poll.records", "10000").build();
  }

  private static KafkaSink<Result> sink(String brokers, String topic, String name, boolean exactlyOnce) {
    var sink = KafkaSink.<Result>builder().setBootstrapServers(brokers).setRecordSerializer(new ResultWriter(topic))
        .setDeliveryGuarantee(exactlyOnce ? DeliveryGuarantee.EXACTLY_ONCE : DeliveryGuarantee.AT_LEAST_ONCE)
        .setProperty("transaction.timeout.ms", "60000")
        .setProperty("linger.ms", "50").setProperty("batch.size", "262144").setProperty("compression.type", "lz4");
    // Else each checkpoint has a new transactional id, which its broker has to set up.
    if (exactlyOnce) sink.setTransactionalIdPrefix(name).setTransactionNamingStrategy(TransactionNamingStrategy.POOLING);
    return sink.build();
  }

  public static void main(String[] args) throws Exception {
    String brokers = args[0];
    Progress.events = Long.parseLong(args[1]);
    int threads = Integer.parseInt(args[3]);
    boolean exactlyOnce = args[4].equals("exactly-once");
    long checkpointMs = Long.parseLong(args[5]);
    String job = args[6];
    Path folder = Files.createTempDirectory("flink-peer");
    StreamExecutionEnvironment env =
        StreamExecutionEnvironment.createLocalEnvironment(threads, settings(folder, threads, args[9]));
    env.enableCheckpointing(checkpointMs, exactlyOnce ? CheckpointingMode.EXACTLY_ONCE : CheckpointingMode.AT_LEAST_ONCE);
    // Where a checkpoint takes as long as they are to be apart, records come in between.
    env.getCheckpointConfig().setMinPauseBetweenCheckpoints(Math.min(checkpointMs, 50));
    // A session of theirs is over one ms later: both of its ends belong to it.
    Duration bound = job.equals("session") ? BOUND.plusMillis(1) : BOUND;
    WatermarkStrategy<Event> time = TIMELESS.contains(job)
        ? WatermarkStrategy.noWatermarks()
        : WatermarkStrategy.<Event>forBoundedOutOfOrderness(bound).withTimestampAssigner((event, at) -> event.ts);
    DataStream<Event> events = env.fromSource(source(brokers, args[7], args[2], job), time, "events");
    Long minutes = args[11].equals("sql") ? MINUTES.get(job) : null;
    DataStream<Result> results = minutes == null ? results(job, events) : noted(SqlWindows.of(env, events, minutes));
    results.sinkTo(sink(brokers, args[8], args[2], exactlyOnce));
    long begin = System.nanoTime();
    JobClient running = env.executeAsync(args[2]);
    long deadline = begin + TimeUnit.SECONDS.toNanos(Long.parseLong(args[10]));
    while (Progress.DONE_AT.get() == 0 && System.nanoTime() < deadline) Thread.sleep(10);
    long end = Progress.DONE_AT.get() == 0 ? System.nanoTime() : Progress.DONE_AT.get();
    long read = Progress.READ.get();
    long quarterAt = Progress.QUARTER_AT.get();
    double rate = (read - (quarterAt == 0 ? 0 : Progress.events / 4)) / ((end - (quarterAt == 0 ? begin : quarterAt)) / 1e9);
    double cpu = ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime() / 1e9;
    // The last results of windows come with the watermark.
    if (read == Progress.events) finish(running, folder, MINUTES.containsKey(job) || job.equals("session") ? threads : 0, bound);
    System.out.printf(Locale.ROOT,
        "{\"events\":%d,\"eventsPerSecond\":%.0f,\"totalSeconds\":%.2f,\"cpuSeconds\":%.2f,\"rssMiB\":%d}%n",
        read, rate, (end - begin) / 1e9, cpu, peakMiB());
    System.out.flush();
    delete(folder);
    Runtime.getRuntime().halt(0);
  }

  /** Waits until what was read is written and committed; what is open stays open. */
  private static void finish(JobClient running, Path folder, int subtasks, Duration bound) throws Exception {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
    while (!Progress.hasPassed(subtasks, bound.toMillis()) && System.nanoTime() < deadline) Thread.sleep(10);
    String kept = folder.resolve("end").toUri().toString();
    try {
      running.stopWithSavepoint(false, kept, SavepointFormatType.NATIVE).get(60, TimeUnit.SECONDS);
    } catch (TimeoutException tooSlow) {
      // What is not committed by now is missing: the oracle says so.
      return;
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
}
