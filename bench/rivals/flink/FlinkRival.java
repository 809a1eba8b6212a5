import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.TreeMap;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.state.CheckpointListener;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.OffsetResetStrategy;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * The work on Flink: a MiniCluster with one slot in this JVM, exactly-once checkpoints and a transactional sink.
 *
 * How many events the last complete checkpoint holds stands in the file `checkpointed` of the directory: the offsets of the
 * group come up to 10 s later, when the source has nothing left to read.
 *
 * Arguments: bootstrap, input, output, group, directory, checkpoint interval in ms, state backend (rocksdb or hashmap).
 */
public final class FlinkRival {
  public static void main(String[] arguments) throws Exception {
    String bootstrap = arguments[0];
    StreamExecutionEnvironment environment =
        StreamExecutionEnvironment.createLocalEnvironment(1, settings(arguments[4], arguments[5], arguments[6]));

    KafkaSource<Work.Event> source =
        KafkaSource.<Work.Event>builder()
            .setBootstrapServers(bootstrap)
            .setTopics(arguments[1])
            .setGroupId(arguments[3])
            .setStartingOffsets(OffsetsInitializer.committedOffsets(OffsetResetStrategy.EARLIEST))
            .setProperty("isolation.level", "read_committed")
            .setProperty("commit.offsets.on.checkpoint", "true")
            .setDeserializer(new Reading())
            .build();
    KafkaSink<Tuple2<String, byte[]>> sink =
        KafkaSink.<Tuple2<String, byte[]>>builder()
            .setBootstrapServers(bootstrap)
            .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE)
            .setTransactionalIdPrefix(arguments[3])
            .setProperty("transaction.timeout.ms", "600000") // Flink's own hour is above the broker's limit
            .setProperty("compression.type", "lz4")
            .setRecordSerializer(new Writing(arguments[2]))
            .build();

    environment
        .fromSource(source, WatermarkStrategy.noWatermarks(), "customer events")
        .keyBy(event -> event.customerId)
        .process(new Segmenting(arguments[4] + "/checkpointed"))
        .sinkTo(sink);
    environment.execute("rival");
  }

  private static Configuration settings(String directory, String checkpointMs, String backend) {
    Configuration settings = new Configuration();
    settings.setString("state.backend.type", backend);
    settings.setString("execution.checkpointing.incremental", String.valueOf(backend.equals("rocksdb")));
    settings.setString("execution.checkpointing.interval", checkpointMs + " ms");
    settings.setString("execution.checkpointing.mode", "EXACTLY_ONCE");
    settings.setString("execution.checkpointing.dir", "file://" + directory + "/checkpoints");
    settings.setString("state.backend.rocksdb.localdir", directory + "/rocksdb");
    settings.setString("io.tmp.dirs", directory + "/tmp");
    settings.setString("taskmanager.numberOfTaskSlots", "1");
    settings.setString("taskmanager.memory.managed.size", "512m"); // RocksDB's cache and write buffers
    settings.setString("pipeline.object-reuse", "true");
    settings.setString("restart-strategy.type", "none");
    return settings;
  }

  private static final class Reading implements KafkaRecordDeserializationSchema<Work.Event> {
    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Work.Event> out) throws IOException {
      out.collect(Work.read(new String(record.key(), StandardCharsets.UTF_8), record.value()));
    }

    @Override
    public TypeInformation<Work.Event> getProducedType() {
      return Types.POJO(Work.Event.class);
    }
  }

  private static final class Segmenting extends KeyedProcessFunction<String, Work.Event, Tuple2<String, byte[]>>
      implements CheckpointedFunction, CheckpointListener {
    private final String file;
    private transient ValueState<Work.Customer> customers;
    private transient TreeMap<Long, Long> eventsByCheckpoint;
    private long events;

    Segmenting(String file) {
      this.file = file;
    }

    @Override
    public void initializeState(FunctionInitializationContext context) {
      eventsByCheckpoint = new TreeMap<>();
    }

    @Override
    public void snapshotState(FunctionSnapshotContext context) {
      eventsByCheckpoint.put(context.getCheckpointId(), events);
    }

    @Override
    public void notifyCheckpointComplete(long checkpoint) throws IOException {
      Path unfinished = Path.of(file + ".new");
      Files.writeString(unfinished, String.valueOf(eventsByCheckpoint.get(checkpoint)));
      Files.move(unfinished, Path.of(file), StandardCopyOption.ATOMIC_MOVE);
      eventsByCheckpoint.headMap(checkpoint, true).clear();
    }

    @Override
    public void open(Configuration settings) {
      customers =
          getRuntimeContext().getState(new ValueStateDescriptor<>("customers", Types.POJO(Work.Customer.class)));
    }

    @Override
    public void processElement(Work.Event event, Context context, Collector<Tuple2<String, byte[]>> out)
        throws IOException {
      Work.Customer customer = customers.value();
      if (customer == null) {
        customer = new Work.Customer();
      }
      for (byte[] change : customer.advance(event)) {
        out.collect(Tuple2.of(event.customerId, change));
      }
      customers.update(customer);
      events++;
    }
  }

  private static final class Writing implements KafkaRecordSerializationSchema<Tuple2<String, byte[]>> {
    private final String topic;

    Writing(String topic) {
      this.topic = topic;
    }

    @Override
    public ProducerRecord<byte[], byte[]> serialize(
        Tuple2<String, byte[]> change, KafkaSinkContext context, Long timestamp) {
      return new ProducerRecord<>(topic, null, null, change.f0.getBytes(StandardCharsets.UTF_8), change.f1);
    }
  }
}
