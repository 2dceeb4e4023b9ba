package peer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * The rules of compare/engagement.ts on the Processor API: users in one cached store, the minutes at which they are due in
 * another, ordered by minute, so that nobody scans users. Minutes are fired before the record that passes them;
 * a punctuator would come when the thread gets to it.
 */
final class Engagement implements Processor<String, Event, String, JsonNode> {
  static final String USERS = "users";
  static final String DUE = "due";
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final long MINUTE = 60_000;
  private static final double HALF_LIFE = 3_600_000;
  private static final long DORMANT = 2 * 3_600_000;
  private static final Map<String, Integer> WEIGHTS = Map.of("view", 1, "click", 2, "like", 3, "purchase", 10);
  private static final String[] SEGMENTS = {"power", "buyer", "rising", "at-risk", "dormant"};
  private static final int IS_POWER = 1;
  private static final int IS_BUYER = 2;
  private static final int IS_RISING = 4;
  private static final int IS_AT_RISK = 8;
  private static final int IS_DORMANT = 16;
  private static final long NEVER = Long.MAX_VALUE;

  static List<StoreBuilder<?>> stores() {
    return List.of(
        Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(USERS), Serdes.String(), Serdes.ByteArray())
            .withCachingEnabled(),
        Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(DUE), Serdes.Bytes(), Serdes.ByteArray())
            .withCachingEnabled());
  }

  private static final class User {
    double score;
    long scoreAt;
    long last;
    int in;
    boolean armed;
    /** The minute it is due; NEVER for none. */
    long due = NEVER;
    /** Minute, events and tenths bought in it; three numbers a minute, ascending. */
    int[] minutes = new int[0];

    static User of(byte[] bytes) {
      ByteBuffer buffer = ByteBuffer.wrap(bytes);
      User user = new User();
      user.score = buffer.getDouble();
      user.scoreAt = buffer.getLong();
      user.last = buffer.getLong();
      user.due = buffer.getLong();
      user.in = buffer.get();
      user.armed = buffer.get() == 1;
      user.minutes = new int[buffer.remaining() / 4];
      for (int i = 0; i < user.minutes.length; i++) user.minutes[i] = buffer.getInt();
      return user;
    }

    byte[] bytes() {
      ByteBuffer buffer = ByteBuffer.allocate(34 + 4 * minutes.length);
      buffer.putDouble(score).putLong(scoreAt).putLong(last).putLong(due).put((byte) in).put((byte) (armed ? 1 : 0));
      for (int number : minutes) buffer.putInt(number);
      return buffer.array();
    }

    double scoreAt(long at) {
      return score * Math.pow(2, -((at - scoreAt) / HALF_LIFE));
    }

    void count(int minute, int tenths) {
      int i = minutes.length;
      while (i > 0 && minutes[i - 3] > minute) i -= 3;
      if (i > 0 && minutes[i - 3] == minute) {
        minutes[i - 2]++;
        minutes[i - 1] += tenths;
      } else {
        int[] longer = new int[minutes.length + 3];
        System.arraycopy(minutes, 0, longer, 0, i);
        longer[i] = minute;
        longer[i + 1] = 1;
        longer[i + 2] = tenths;
        System.arraycopy(minutes, i, longer, i + 3, minutes.length - i);
        minutes = longer;
      }
      long oldest = last / MINUTE - 120;
      int gone = 0;
      while (gone < minutes.length && minutes[gone] <= oldest) gone += 3;
      if (gone > 0) minutes = Arrays.copyOfRange(minutes, gone, minutes.length);
    }
  }

  private ProcessorContext<String, JsonNode> context;
  private KeyValueStore<String, byte[]> users;
  private KeyValueStore<Bytes, byte[]> due;
  private long streamTime = Long.MIN_VALUE;
  /** No user is due before this minute. */
  private long firstDue = 0;

  @Override
  public void init(ProcessorContext<String, JsonNode> context) {
    this.context = context;
    users = context.getStateStore(USERS);
    due = context.getStateStore(DUE);
  }

  @Override
  public void process(Record<String, Event> record) {
    long at = record.timestamp();
    streamTime = Math.max(streamTime, at);
    fireUntil((streamTime - 1) / MINUTE);
    byte[] known = users.get(record.key());
    User user;
    if (known == null) {
      user = new User();
      user.scoreAt = at;
      user.last = at;
    } else user = User.of(known);
    String type = record.value().type();
    int weight = WEIGHTS.getOrDefault(type, 0);
    if (at >= user.scoreAt) {
      user.score = user.scoreAt(at) + weight;
      user.scoreAt = at;
    } else user.score += weight * Math.pow(2, -((user.scoreAt - at) / HALF_LIFE));
    user.last = Math.max(user.last, at);
    int tenths = type.equals("purchase") ? (int) Math.round(record.value().value() * 10) : 0;
    user.count((int) (at / MINUTE), tenths);
    decide(record.key(), user, user.last);
  }

  private void fireUntil(long minute) {
    while (firstDue <= minute) {
      List<Bytes> keys = new ArrayList<>();
      long next = NEVER;
      try (KeyValueIterator<Bytes, byte[]> all = due.range(dueKey(firstDue, ""), null)) {
        long first = NEVER;
        while (all.hasNext()) {
          KeyValue<Bytes, byte[]> entry = all.next();
          long at = ByteBuffer.wrap(entry.key.get()).getLong();
          if (first == NEVER) first = at;
          if (at != first || at > minute) {
            next = at;
            break;
          }
          keys.add(entry.key);
        }
      }
      firstDue = next;
      for (Bytes key : keys) {
        byte[] bytes = key.get();
        String userId = new String(bytes, 8, bytes.length - 8, StandardCharsets.UTF_8);
        User user = User.of(users.get(userId));
        decide(userId, user, ByteBuffer.wrap(bytes).getLong() * MINUTE);
      }
      if (keys.isEmpty()) return;
    }
  }

  private static Bytes dueKey(long minute, String userId) {
    byte[] id = userId.getBytes(StandardCharsets.UTF_8);
    return Bytes.wrap(ByteBuffer.allocate(8 + id.length).putLong(minute).put(id).array());
  }

  private void decide(String userId, User user, long at) {
    double score = user.scoreAt(at);
    long now = at / MINUTE;
    int events = 0;
    int before = 0;
    int tenths = 0;
    for (int i = 0; i < user.minutes.length; i += 3) {
      int minute = user.minutes[i];
      if (minute > now - 60) {
        events += user.minutes[i + 1];
        tenths += user.minutes[i + 2];
      } else if (minute > now - 120) before += user.minutes[i + 1];
    }
    if (score >= 30) user.armed = true;
    int was = user.in;
    int is = 0;
    if ((was & IS_POWER) != 0 ? score >= 45 : score >= 60) is |= IS_POWER;
    if (tenths >= ((was & IS_BUYER) != 0 ? 600 : 1_000)) is |= IS_BUYER;
    if ((was & IS_RISING) != 0 ? events > 0 && events >= 2 * before : events >= 20 && events >= 3 * before) is |= IS_RISING;
    if ((was & IS_AT_RISK) != 0 ? score < 5 : user.armed && score < 5) is |= IS_AT_RISK;
    if (at >= user.last + DORMANT) is |= IS_DORMANT;
    if ((is & IS_AT_RISK) != 0) user.armed = false;
    user.in = is;
    if (is != was) tell(userId, was, is, at, score);
    long next = nextMinute(user, now, events);
    if (next != user.due) {
      if (user.due != NEVER) due.delete(dueKey(user.due, userId));
      if (next != NEVER) due.put(dueKey(next, userId), new byte[0]);
      user.due = next;
    }
    firstDue = Math.min(firstDue, next);
    users.put(userId, user.bytes());
  }

  private void tell(String userId, int was, int is, long at, double score) {
    for (int i = 0; i < SEGMENTS.length; i++) {
      int bit = 1 << i;
      if (((was ^ is) & bit) == 0) continue;
      ObjectNode change = JSON.createObjectNode();
      change.put("userId", userId);
      change.put("segment", SEGMENTS[i]);
      change.put("enter", (is & bit) != 0);
      change.put("ts", at);
      change.put("score", score);
      context.forward(new Record<>(userId, change, at));
    }
  }

  private static long nextMinute(User user, long now, int events) {
    long next = NEVER;
    if ((user.in & IS_DORMANT) == 0) next = (user.last + DORMANT + MINUTE - 1) / MINUTE;
    if ((user.in & IS_POWER) != 0) next = Math.min(next, minuteBelow(user, 45, now));
    if (user.armed && (user.in & IS_AT_RISK) == 0) next = Math.min(next, minuteBelow(user, 5, now));
    boolean counts = (user.in & IS_RISING) != 0 || events >= 20;
    if (counts || (user.in & IS_BUYER) != 0) {
      for (int i = 0; i < user.minutes.length; i += 3) {
        int minute = user.minutes[i];
        if (minute + 60 > now) next = Math.min(next, minute + 60);
        if (counts && minute + 120 > now) next = Math.min(next, minute + 120);
      }
    }
    return next == NEVER ? NEVER : Math.max(next, now + 1);
  }

  private static long minuteBelow(User user, double threshold, long now) {
    double crossing = user.scoreAt + HALF_LIFE * (Math.log(user.score / threshold) / Math.log(2));
    long minute = Math.max(now + 1, (long) Math.floor(crossing / MINUTE));
    while (user.scoreAt(minute * MINUTE) >= threshold) minute++;
    while (minute > now + 1 && user.scoreAt((minute - 1) * MINUTE) < threshold) minute--;
    return minute;
  }
}
