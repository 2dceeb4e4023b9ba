package peer;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** Events of JSON, read token by token: the fields that a job needs, and no others. */
final class EventReader implements KafkaRecordDeserializationSchema<Event> {
  private final boolean type;
  private final boolean itemId;
  private final boolean byItem;
  private transient JsonFactory json;

  EventReader(String job) {
    type = Set.of("map", "map-project", "join-streams").contains(job);
    itemId = job.equals("map-project");
    byItem = job.equals("rekey");
  }

  @Override
  public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Event> out) throws IOException {
    if (json == null) json = new JsonFactory();
    Event event = new Event();
    event.ts = record.timestamp();
    if (!byItem) event.key = new String(record.key(), StandardCharsets.ISO_8859_1);
    try (JsonParser parser = json.createParser(record.value())) {
      parser.nextToken();
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        String name = parser.currentName();
        parser.nextToken();
        if (name.equals("value")) event.value = parser.getDoubleValue();
        else if (type && name.equals("type")) event.type = parser.getText();
        else if (itemId && name.equals("itemId")) event.itemId = parser.getText();
        else if (byItem && name.equals("itemId")) event.key = parser.getText();
        else parser.skipChildren();
      }
    }
    Progress.read(record.partition(), event.ts);
    out.collect(event);
  }

  @Override
  public TypeInformation<Event> getProducedType() {
    return TypeInformation.of(Event.class);
  }
}
