import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.record.CompressionType;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.common.utils.ByteBufferOutputStream;
import org.xerial.snappy.Snappy;

/**
 * How the files beside this one were made, once, by what Kafka's own producer packs with (4.1.1); the
 * tests only read them. In this folder: java -cp 'KAFKA/libs/*' Pack.java
 *
 * <p>lz4-tool.bin is of the same text by lz4's own tool: lz4 -B4 -BX -BD --content-size
 */
public final class Pack {
  public static void main(String[] none) throws Exception {
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < 3000; i++) lines.append("line " + i % 50 + " of what another packed; ");
    byte[] text = lines.toString().getBytes(StandardCharsets.UTF_8);
    for (CompressionType type : CompressionType.values()) {
      if (type == CompressionType.NONE) continue;
      ByteBufferOutputStream out = new ByteBufferOutputStream(1024);
      try (OutputStream packing =
          Compression.of(type).build().wrapForOutput(out, RecordBatch.MAGIC_VALUE_V2)) {
        for (int i = 0; i < text.length; i += 100)
          packing.write(text, i, Math.min(100, text.length - i));
      }
      ByteBuffer packed = out.buffer();
      packed.flip();
      byte[] bytes = new byte[packed.remaining()];
      packed.get(bytes);
      Files.write(Path.of(type.name + ".bin"), bytes);
    }
    Files.write(Path.of("snappy-raw.bin"), Snappy.compress(text));
  }
}
