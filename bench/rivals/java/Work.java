import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The work that every engine does for an event, as ../README.md defines it; ../work.py is the same in Python.
 */
public final class Work {
  private static final long DAY_MS = 86_400_000L;
  private static final int NEWEST = 5;
  private static final int SPENT = 512;
  private static final int UNJUDGED = -1;
  private static final JsonFactory JSON = new JsonFactory();

  private static final String[] DIMENSIONS = {"lifecycle", "frequency", "recency"};
  private static final String[][] STAGES = {
    {"prospect", "new", "active", "inactive"},
    {"none", "one-time", "occasional", "frequent"},
    {"never", "hot", "warm", "cool", "cold"},
  };

  private Work() {}

  /** An event as far as the work needs it. */
  public static final class Event {
    public String customerId;
    public long timeMs;
    public boolean order;
    public long spentMicros;
  }

  /** What is kept for a customer. Public fields and no constructor of its own: what Flink serialises by itself. */
  public static final class Customer {
    public long orders;
    public long seenMs;
    /** Instants of the newest orders, oldest first, at most NEWEST. */
    public long[] newest = {};
    /** Orders of the last 30 days as instant, millionths, instant, millionths ...; oldest first, at most SPENT. */
    public long[] spent = {};
    /** The stage of each dimension; UNJUDGED before the first event. */
    public int[] stages = {UNJUDGED, UNJUDGED, UNJUDGED};

    /** Takes an event in and returns the change records it causes, in the order of the dimensions. */
    public List<byte[]> advance(Event event) throws IOException {
      seenMs = event.timeMs;
      if (event.order) {
        orders++;
        int kept = Math.min(newest.length, NEWEST - 1);
        long[] later = Arrays.copyOfRange(newest, newest.length - kept, newest.length + 1);
        later[kept] = event.timeMs;
        newest = later;
        spend(event);
      }
      List<byte[]> changes = null;
      for (int dimension = 0; dimension < stages.length; dimension++) {
        int stage = stage(dimension, event.timeMs);
        if (stage != stages[dimension]) {
          if (changes == null) {
            changes = new ArrayList<>(stages.length);
          }
          changes.add(change(event, dimension, stages[dimension], stage));
          stages[dimension] = stage;
        }
      }
      return changes == null ? List.of() : changes;
    }

    private void spend(Event event) {
      int first = 0;
      while (first < spent.length && spent[first] <= event.timeMs - 30 * DAY_MS) {
        first += 2;
      }
      int kept = spent.length - first;
      if (kept == 2 * SPENT) { // full: the newest entry takes it in
        spent[spent.length - 2] = event.timeMs;
        spent[spent.length - 1] += event.spentMicros;
        return;
      }
      long[] later = Arrays.copyOfRange(spent, first, spent.length + 2);
      later[kept] = event.timeMs;
      later[kept + 1] = event.spentMicros;
      spent = later;
    }

    private int stage(int dimension, long nowMs) {
      long last = newest.length == 0 ? Long.MIN_VALUE : newest[newest.length - 1];
      switch (dimension) {
        case 0:
          if (orders == 0) {
            return 0;
          }
          if (orders == 1 && last > nowMs - 30 * DAY_MS) {
            return 1;
          }
          return last > nowMs - 180 * DAY_MS ? 2 : 3;
        case 1:
          int count = 0;
          for (long instant : newest) {
            if (instant > nowMs - 90 * DAY_MS) {
              count++;
            }
          }
          return count == 0 ? 0 : count == 1 ? 1 : count < NEWEST ? 2 : 3;
        default:
          if (newest.length == 0) {
            return 0;
          }
          return last > nowMs - 7 * DAY_MS ? 1 : last > nowMs - 30 * DAY_MS ? 2 : last > nowMs - 90 * DAY_MS ? 3 : 4;
      }
    }

    private long spent30dMicros(long nowMs) {
      long sum = 0;
      for (int at = 0; at < spent.length; at += 2) {
        if (spent[at] > nowMs - 30 * DAY_MS) {
          sum += spent[at + 1];
        }
      }
      return sum;
    }

    private byte[] change(Event event, int dimension, int from, int to) throws IOException {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream(256);
      try (JsonGenerator json = JSON.createGenerator(bytes)) {
        json.writeStartObject();
        json.writeStringField("customer_id", event.customerId);
        json.writeStringField("dimension", DIMENSIONS[dimension]);
        json.writeStringField("from_stage", from == UNJUDGED ? null : STAGES[dimension][from]);
        json.writeStringField("to_stage", STAGES[dimension][to]);
        json.writeStringField("effective_at", Instant.ofEpochMilli(event.timeMs).toString());
        json.writeNumberField("orders", orders);
        json.writeNumberField("spend_30d", spent30dMicros(event.timeMs) / 1e6);
        json.writeEndObject();
      }
      return bytes.toByteArray();
    }

    public byte[] encode() {
      ByteBuffer bytes = ByteBuffer.allocate(8 * (2 + newest.length + spent.length) + 1 + 2 + stages.length);
      bytes.putLong(orders).putLong(seenMs);
      bytes.put((byte) newest.length).putShort((short) spent.length);
      for (int stage : stages) {
        bytes.put((byte) stage);
      }
      for (long value : newest) {
        bytes.putLong(value);
      }
      for (long value : spent) {
        bytes.putLong(value);
      }
      return bytes.array();
    }

    public static Customer decode(byte[] encoded) {
      ByteBuffer bytes = ByteBuffer.wrap(encoded);
      Customer customer = new Customer();
      customer.orders = bytes.getLong();
      customer.seenMs = bytes.getLong();
      customer.newest = new long[bytes.get()];
      customer.spent = new long[bytes.getShort()];
      for (int at = 0; at < customer.stages.length; at++) {
        customer.stages[at] = bytes.get();
      }
      for (int at = 0; at < customer.newest.length; at++) {
        customer.newest[at] = bytes.getLong();
      }
      for (int at = 0; at < customer.spent.length; at++) {
        customer.spent[at] = bytes.getLong();
      }
      return customer;
    }
  }

  /** Reads an event field by field, without building what the work does not need. */
  public static Event read(String customerId, byte[] value) throws IOException {
    Event event = new Event();
    event.customerId = customerId;
    try (JsonParser json = JSON.createParser(value)) {
      json.nextToken();
      while (json.nextToken() == JsonToken.FIELD_NAME) {
        String name = json.currentName();
        json.nextToken();
        switch (name) {
          case "event":
            event.order = "Order Completed".equals(json.getText());
            break;
          case "timestamp":
            event.timeMs = Instant.parse(json.getText()).toEpochMilli();
            break;
          case "properties":
            while (json.nextToken() == JsonToken.FIELD_NAME) {
              String property = json.currentName();
              json.nextToken();
              if (property.equals("revenue")) {
                event.spentMicros = Math.round(json.getDoubleValue() * 1e6);
              } else {
                json.skipChildren();
              }
            }
            break;
          default:
            json.skipChildren();
        }
      }
    }
    return event;
  }
}
