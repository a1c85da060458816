package app.connect;

import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.header.ConnectHeaders;
import org.apache.kafka.connect.header.Headers;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.transforms.Transformation;

/**
 * Makes the members of a row's JSON column `headers` the headers of the record, as text: what Debezium's
 * outbox router, which comes next, cannot. Debezium's own headers go. A row whose headers are no such object stops the task;
 * a record that is no new row passes as it is.
 */
public class JsonHeaders<R extends ConnectRecord<R>> implements Transformation<R> {
  private static final String COLUMN = "headers";
  private final JsonConverter json = new JsonConverter();

  @Override
  public void configure(Map<String, ?> settings) {
    json.configure(Map.of("schemas.enable", "false"), false);
  }

  @Override
  public R apply(R record) {
    if (!(record.value() instanceof Struct change) || change.schema().field("after") == null) {
      return record;
    }
    if (!(change.get("after") instanceof Struct row) || row.schema().field(COLUMN) == null) {
      return record;
    }
    byte[] text = row.getString(COLUMN).getBytes(StandardCharsets.UTF_8);
    if (!(json.toConnectData("", text).value() instanceof Map<?, ?> members)) {
      throw new DataException("headers of an outbox row are no JSON object");
    }
    Headers headers = new ConnectHeaders();
    members.forEach((name, value) -> {
      if (!(value instanceof String)) {
        throw new DataException("header " + name + " of an outbox row is no text");
      }
      headers.addString((String) name, (String) value);
    });
    return record.newRecord(record.topic(), record.kafkaPartition(), record.keySchema(),
        record.key(), record.valueSchema(), record.value(), record.timestamp(), headers);
  }

  @Override
  public ConfigDef config() {
    return new ConfigDef();
  }

  @Override
  public void close() {
    json.close();
  }
}
