package oracle;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.StringJoiner;
import org.apache.kafka.common.utils.AppInfoParser;
import org.apache.kafka.streams.test.TestRecord;

/** Fills in, step by step, what Kafka Streams puts out for the case files named as arguments. */
public final class Oracle {
  private static final ObjectMapper JSON = new ObjectMapper();

  private Oracle() {}

  public static void main(String[] files) throws Exception {
    for (String name : files) {
      Path file = Path.of(name);
      ObjectNode scenario = (ObjectNode) JSON.readTree(file.toFile());
      run(scenario);
      Files.writeString(file, render(scenario));
    }
  }

  private static void run(ObjectNode scenario) throws Exception {
    scenario.put("kafkaStreamsVersion", AppInfoParser.getVersion());
    JsonNode pipeline = scenario.get("pipeline");
    int partitions = pipeline.has("partitions") ? pipeline.get("partitions").asInt() : 1;
    try (Cluster cluster = new Cluster(pipeline.get("stages"), partitions)) {
      for (JsonNode step : scenario.get("steps")) {
        ArrayNode out = JSON.createArrayNode();
        var record = new TestRecord<>(textOf(step, "key"), textOf(step, "value"), null, step.get("timestamp").asLong());
        for (var result : cluster.pipe(step.get("topic").asText(), record)) {
          out.addObject().put("key", result.key()).put("value", result.value()).put("timestamp", result.timestamp());
        }
        ((ObjectNode) step).set("out", out);
      }
    }
  }

  private static String textOf(JsonNode node, String field) {
    return node.get(field).isNull() ? null : node.get(field).asText();
  }

  /** One step a line, for small differences. */
  private static String render(ObjectNode scenario) throws Exception {
    StringJoiner steps = new StringJoiner(",\n    ", "[\n    ", "\n  ]");
    for (JsonNode step : scenario.get("steps")) steps.add(JSON.writeValueAsString(step));
    StringBuilder text = new StringBuilder("{\n");
    for (String field : new String[] {"name", "pipeline", "kafkaStreamsVersion"}) {
      text.append("  \"").append(field).append("\": ").append(JSON.writeValueAsString(scenario.get(field))).append(",\n");
    }
    return text.append("  \"steps\": ").append(steps).append("\n}\n").toString();
  }
}
