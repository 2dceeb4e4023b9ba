package oracle;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.Utils;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.TestInputTopic;
import org.apache.kafka.streams.TestOutputTopic;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.test.TestRecord;

/**
 * A pipeline over partitions. The test driver of Kafka Streams knows one partition; so each part of the
 * pipeline, up to a `rekey`, has one driver a partition, and what a part writes goes to the driver of the
 * next part that has the partition of its key, as a repartition topic would carry it.
 */
final class Cluster implements AutoCloseable {
  private final List<Part> parts = new ArrayList<>();
  private final int partitions;

  private static final class Part {
    final List<TopologyTestDriver> drivers = new ArrayList<>();
    final List<TestOutputTopic<String, String>> outs = new ArrayList<>();
    final Map<String, TestInputTopic<String, String>> inputs = new HashMap<>();
    List<String> topics;
  }

  private record Arriving(int part, String topic, TestRecord<String, String> record) {}

  Cluster(JsonNode stages, int partitions) throws Exception {
    this.partitions = partitions;
    List<JsonNode> own = new ArrayList<>();
    for (JsonNode stage : stages) {
      if (partitions > 1 && stage.get("op").asText().equals("rekey")) {
        add(own, true);
        own = new ArrayList<>();
      } else own.add(stage);
    }
    add(own, false);
  }

  /** All that comes of a record in the end, in order. */
  List<TestRecord<String, String>> pipe(String topic, TestRecord<String, String> record) {
    List<TestRecord<String, String>> results = new ArrayList<>();
    Deque<Arriving> waiting = new ArrayDeque<>();
    for (int i = 0; i < parts.size(); i++) {
      if (parts.get(i).topics.contains(topic)) waiting.add(new Arriving(i, topic, record));
    }
    while (!waiting.isEmpty()) {
      Arriving next = waiting.poll();
      for (TestRecord<String, String> out : process(next)) {
        boolean last = next.part == parts.size() - 1;
        if (last) results.add(out);
        else waiting.add(new Arriving(next.part + 1, "cut", out));
      }
    }
    return results;
  }

  private List<TestRecord<String, String>> process(Arriving arriving) {
    Part part = parts.get(arriving.part);
    int partition = Utils.toPositive(Utils.murmur2(arriving.record.key().getBytes(StandardCharsets.UTF_8))) % partitions;
    part.inputs
        .computeIfAbsent(arriving.topic + partition, name -> part.drivers.get(partition)
            .createInputTopic(arriving.topic, new StringSerializer(), new StringSerializer()))
        .pipeInput(arriving.record.key(), arriving.record.value(), arriving.record.timestamp());
    return part.outs.get(partition).readRecordsToList();
  }

  private void add(List<JsonNode> stages, boolean rekeys) throws Exception {
    Part part = new Part();
    parts.add(part);
    for (int partition = 0; partition < partitions; partition++) {
      Pipeline pipeline = new Pipeline(stages, parts.size() > 1, rekeys);
      Properties settings = settings();
      TopologyTestDriver driver = new TopologyTestDriver(pipeline.build(settings), settings, Instant.EPOCH);
      part.topics = pipeline.topics();
      part.drivers.add(driver);
      part.outs.add(driver.createOutputTopic("out", new StringDeserializer(), new StringDeserializer()));
    }
  }

  private static Properties settings() throws Exception {
    Properties settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "oracle");
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "none:1");
    settings.put(StreamsConfig.STATE_DIR_CONFIG, Files.createTempDirectory("oracle").toString());
    settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
    settings.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
    settings.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
    // Throttles of emission that would make results depend on how fast the test runs.
    settings.put("__emit.interval.ms.kstreams.outer.join.spurious.results.fix__", 0L);
    settings.put("__emit.interval.ms.kstreams.windowed.aggregation__", 0L);
    return settings;
  }

  @Override
  public void close() {
    for (Part part : parts) part.drivers.forEach(TopologyTestDriver::close);
  }
}
