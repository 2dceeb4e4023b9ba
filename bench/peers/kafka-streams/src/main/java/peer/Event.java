package peer;

/** What the jobs read of an event. */
interface Event {
  String userId();

  String type();

  String itemId();

  double value();

  long ts();
}
