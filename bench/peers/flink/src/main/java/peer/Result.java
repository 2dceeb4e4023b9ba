package peer;

/** A record of the output, as it is written. */
public final class Result {
  public byte[] key;
  public byte[] value;

  public Result() {}

  Result(byte[] key, byte[] value) {
    this.key = key;
    this.value = value;
  }
}
