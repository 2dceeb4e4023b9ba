package peer;

/** What the jobs read of an event. A POJO by Flink's rules: public fields, so that no reflection by name is needed. */
public final class Event {
  public String key;
  public String type;
  public String itemId;
  public double value;
  public long ts;
}
