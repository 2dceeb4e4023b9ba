/** `millrace/schemas`: topics whose values have a schema, and the client of a schema registry. */
export { type AvroOptions, avro } from './avro.ts';
export {
  type CompatibilityLevel,
  incompatibilities,
  levels,
} from './compatibility.ts';
export { type JsonSchemaOptions, jsonOfSchema } from './json-schema-serde.ts';
export { type ProtobufOptions, protobuf } from './protobuf.ts';
export {
  type RegisteredSchema,
  type RegistrySettings,
  SchemaRegistry,
  type SchemaType,
  schemaRegistry,
} from './registry.ts';
export type { WireSettings } from './wire.ts';
