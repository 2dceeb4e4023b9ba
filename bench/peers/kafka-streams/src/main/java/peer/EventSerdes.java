package peer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.msgpack.core.MessagePack;
import org.msgpack.core.MessageUnpacker;

/** The events in each of their formats (compare/event-formats.ts). */
final class EventSerdes {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String[] TYPES = {"view", "click", "like", "purchase"};

  private EventSerdes() {}

  static Serde<Event> of(String format) {
    return switch (format) {
      case "json" -> Serdes.serdeFrom(EventSerdes::jsonBytes, typed(bytes -> new Json(JSON.readTree(bytes))));
      case "msgpack" -> Serdes.serdeFrom(EventSerdes::neverWritten, typed(EventSerdes::unpacked));
      case "fixed" -> Serdes.serdeFrom(EventSerdes::neverWritten, typed(bytes -> new Fixed(ByteBuffer.wrap(bytes))));
      default -> throw new IllegalArgumentException("there is no format " + format);
    };
  }

  /** A tree, as Kafka Streams' users mostly take it. */
  private record Json(JsonNode node) implements Event {
    @Override
    public String userId() {
      return node.get("userId").asText();
    }

    @Override
    public String type() {
      return node.get("type").asText();
    }

    @Override
    public String itemId() {
      return node.get("itemId").asText();
    }

    @Override
    public double value() {
      return node.get("value").doubleValue();
    }

    @Override
    public long ts() {
      return node.get("ts").asLong();
    }
  }

  /** Of MessagePack. */
  private record Plain(String userId, String type, String itemId, double value, long ts) implements Event {}

  /** Read when it is asked for. */
  private record Fixed(ByteBuffer in) implements Event {
    @Override
    public String userId() {
      return new String(in.array(), 0, 13, StandardCharsets.ISO_8859_1);
    }

    @Override
    public String type() {
      return TYPES[in.get(13)];
    }

    @Override
    public String itemId() {
      return "i" + in.getInt(14);
    }

    @Override
    public double value() {
      return in.getDouble(18);
    }

    @Override
    public long ts() {
      return (long) in.getDouble(31);
    }
  }

  private interface Reader {
    Event read(byte[] bytes) throws Exception;
  }

  private static Deserializer<Event> typed(Reader reader) {
    return (topic, bytes) -> {
      try {
        return bytes == null ? null : reader.read(bytes);
      } catch (Exception e) {
        throw new IllegalStateException(e);
      }
    };
  }

  private static byte[] jsonBytes(String topic, Event event) {
    try {
      return event == null ? null : JSON.writeValueAsBytes(((Json) event).node());
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private static byte[] neverWritten(String topic, Event event) {
    throw new UnsupportedOperationException("the jobs of this format keep no events");
  }

  /** Name by name; what no job reads is passed over. */
  private static Event unpacked(byte[] bytes) throws Exception {
    MessageUnpacker in = MessagePack.newDefaultUnpacker(bytes);
    String userId = null;
    String type = null;
    String itemId = null;
    double value = 0;
    long ts = 0;
    for (int left = in.unpackMapHeader(); left > 0; left--) {
      switch (in.unpackString()) {
        case "userId" -> userId = in.unpackString();
        case "type" -> type = in.unpackString();
        case "itemId" -> itemId = in.unpackString();
        case "value" -> value = number(in);
        case "ts" -> ts = (long) number(in);
        default -> in.skipValue();
      }
    }
    return new Plain(userId, type, itemId, value, ts);
  }

  /** A number without a fraction is written as a whole one. */
  private static double number(MessageUnpacker in) throws Exception {
    return in.getNextFormat().getValueType().isIntegerType() ? in.unpackLong() : in.unpackDouble();
  }
}
