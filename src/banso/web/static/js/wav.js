/** Samples to a WAV file (RIFF, PCM). */

const BYTES = { 16: 2, 24: 3 };

/**
 * @param {Float32Array[]} channels full scale 1, equally long
 * @param {number} sampleRate Hz
 * @param {16 | 24} bits
 * @returns {Blob}
 */
export function encodeWav(channels, sampleRate, bits = 16) {
  const width = BYTES[bits];
  const frames = channels[0].length;
  const size = frames * channels.length * width;
  const view = new DataView(new ArrayBuffer(44 + size));
  const text = (offset, word) => {
    for (let i = 0; i < 4; i++) view.setUint8(offset + i, word.charCodeAt(i));
  };
  text(0, "RIFF");
  view.setUint32(4, 36 + size, true);
  text(8, "WAVE");
  text(12, "fmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, channels.length, true);
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, sampleRate * channels.length * width, true);
  view.setUint16(32, channels.length * width, true);
  view.setUint16(34, bits, true);
  text(36, "data");
  view.setUint32(40, size, true);
  writeSamples(view, channels, width);
  return new Blob([view.buffer], { type: "audio/wav" });
}

function writeSamples(view, channels, width) {
  const scale = 2 ** (8 * width - 1) - 1;
  let offset = 44;
  for (let i = 0; i < channels[0].length; i++) {
    for (const channel of channels) {
      const value = Math.round(Math.max(-1, Math.min(1, channel[i])) * scale);
      if (width === 2) view.setInt16(offset, value, true);
      else {
        view.setUint16(offset, value & 0xffff, true);
        view.setInt8(offset + 2, value >> 16);
      }
      offset += width;
    }
  }
}
