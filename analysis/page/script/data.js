// The numbers of the page: arrays unpacked from the script element that carries them.

const ARRAYS = { u8: Uint8Array, u16: Uint16Array, u32: Uint32Array, f32: Float32Array, f64: Float64Array };

/** The bytes that base64 text stands for. */
function bytesOf(text) {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i += 1) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** A typed array of {type, shape, data}: its values' first bytes stand together, then their second ones. */
async function unpacked(packed) {
  const Kind = ARRAYS[packed.type];
  const planes = await inflated(bytesOf(packed.data));
  const width = Kind.BYTES_PER_ELEMENT;
  if (width === 1) return planes;
  const length = planes.length / width;
  const bytes = new Uint8Array(planes.length);
  for (let byte = 0; byte < width; byte += 1) {
    for (let i = 0, from = byte * length, to = byte; i < length; i += 1, to += width) bytes[to] = planes[from + i];
  }
  return new Kind(bytes.buffer);
}

/** The document with every packed array in it unpacked. */
async function readData() {
  const found = JSON.parse(byId("data").textContent);
  const waiting = [];
  const visit = (node) => {
    for (const [key, value] of Object.entries(node)) {
      if (value === null || typeof value !== "object") continue;
      if (typeof value.data === "string" && value.type in ARRAYS) {
        waiting.push(unpacked(value).then((array) => { node[key] = array; }));
      } else visit(value);
    }
  };
  visit(found);
  await Promise.all(waiting);
  return found;
}
