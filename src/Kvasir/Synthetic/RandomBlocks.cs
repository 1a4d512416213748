using System.Buffers.Binary;
using Kvasir.Ground;
using Kvasir.Kernels.Hashing;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;

namespace Kvasir.Synthetic;

/// <summary>
/// Fills matrices with random codes and sound scales, so that elements have mean 0 and a standard deviation of about
/// <see cref="Deviation"/>, as trained ones do. Made for speed: a draw gives eight bytes, and all cores help.
/// </summary>
internal static class RandomBlocks
{
    public const float Deviation = 0.02f;

    // Standard deviations of codes drawn evenly; of a K block, those of scale x code.
    private const float NibbleDeviation = 4.61f;
    private const float ByteDeviation = 73.9f;
    private const float Q4KDeviation = 258;
    private const float Q6KDeviation = 18.5f * 64;
    private const float NibbleMean = 7.5f;
    private const int ChunkBytes = 4 << 20;
    private const int ScaleCount = 16;
    private const int Q6KScaleAt = 208;

    /// <param name="type">BF16, Q8_0, Q4_0, Q4_K or Q6_K.</param>
    /// <param name="view">Whole blocks.</param>
    /// <param name="seed">The same seed gives the same bytes, however many cores help.</param>
    public static void Fill(WeightType type, NativeView view, ulong seed)
    {
        var chunkBytes = ChunkBytes - (ChunkBytes % (WeightLayout.BlockBytes(type) * sizeof(ulong)));
        var chunkCount = (int)((view.Bytes + chunkBytes - 1) / chunkBytes);
        Parallel.For(0, chunkCount, i =>
        {
            var start = (long)i * chunkBytes;
            FillChunk(type, view.Span(start, (int)Math.Min(chunkBytes, view.Bytes - start)), new RandomBits(seed + (ulong)i));
        });
    }

    /// <summary>Multiplies the rows of a filled matrix, row i by factor i modulo their count.</summary>
    /// <param name="type">As it was filled.</param>
    /// <param name="columns">Of a row.</param>
    public static void ScaleRows(WeightType type, NativeView view, int columns, float[] factors)
    {
        var rowBytes = (int)WeightLayout.RowBytes(type, columns);
        Parallel.For(0, (int)(view.Bytes / rowBytes), row =>
        {
            var blockBytes = WeightLayout.BlockBytes(type);
            for (var bytes = view.Span((long)row * rowBytes, rowBytes); bytes.Length > 0; bytes = bytes[blockBytes..])
                ScaleBlock(type, bytes[..blockBytes], factors[row % factors.Length]);
        });
    }

    private static void ScaleBlock(WeightType type, Span<byte> block, float factor)
    {
        switch (type)
        {
            case WeightType.BF16:
                var value = BitConverter.UInt32BitsToSingle((uint)BinaryPrimitives.ReadUInt16LittleEndian(block) << 16) * factor;
                BinaryPrimitives.WriteUInt16LittleEndian(block, (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16));
                break;
            case WeightType.Q4_K:
                ScaleHalf(block, factor);
                ScaleHalf(block[sizeof(ushort)..], factor);
                break;
            default:
                ScaleHalf(type == WeightType.Q6_K ? block[Q6KScaleAt..] : block, factor);
                break;
        }
    }

    private static void ScaleHalf(Span<byte> at, float factor) =>
        BinaryPrimitives.WriteHalfLittleEndian(at, (Half)((float)BinaryPrimitives.ReadHalfLittleEndian(at) * factor));

    private static void FillChunk(WeightType type, Span<byte> chunk, RandomBits random)
    {
        switch (type)
        {
            case WeightType.BF16:
                FillFloats(chunk, random);
                break;
            case WeightType.Q4_0:
                FillCodes(chunk, 2 * sizeof(ulong), Scales(Deviation / NibbleDeviation), random);
                break;
            case WeightType.Q8_0:
                FillCodes(chunk, 4 * sizeof(ulong), Scales(Deviation / ByteDeviation), random);
                break;
            case WeightType.Q4_K:
                FillQ4K(chunk, random);
                break;
            default:
                Invariant.Holds(type == WeightType.Q6_K);
                FillQ6K(chunk, random);
                break;
        }
    }

    // Either sign, and magnitudes from 2^-7 up to 2^-5: mantissa, lowest bit of the exponent and sign are random.
    private static void FillFloats(Span<byte> chunk, RandomBits random)
    {
        for (var at = 0; at + sizeof(ulong) <= chunk.Length; at += sizeof(ulong))
            BinaryPrimitives.WriteUInt64LittleEndian(chunk[at..], (random.Next() & 0x80FF_80FF_80FF_80FF) | 0x3C00_3C00_3C00_3C00);
        for (var at = chunk.Length & ~7; at < chunk.Length; at += sizeof(ushort))
            BinaryPrimitives.WriteUInt16LittleEndian(chunk[at..], 0x3C00);
    }

    /// <summary>Blocks of a scale and then codes, of either kind.</summary>
    private static void FillCodes(Span<byte> chunk, int codeBytes, ReadOnlySpan<ushort> scales, RandomBits random)
    {
        while (chunk.Length >= sizeof(ushort) + codeBytes)
        {
            var bits = 0UL;
            for (var at = sizeof(ushort); at < sizeof(ushort) + codeBytes; at += sizeof(ulong))
                BinaryPrimitives.WriteUInt64LittleEndian(chunk[at..], bits = random.Next());
            BinaryPrimitives.WriteUInt16LittleEndian(chunk, scales[(int)(bits >> 60)]);
            chunk = chunk[(sizeof(ushort) + codeBytes)..];
        }
    }

    private static void FillQ4K(Span<byte> chunk, RandomBits random)
    {
        const int BlockBytes = 144;
        var scales = Scales(Deviation / Q4KDeviation);
        var minimums = Scales(NibbleMean * Deviation / Q4KDeviation);
        for (; chunk.Length >= BlockBytes; chunk = chunk[BlockBytes..])
        {
            for (var at = 0; at < BlockBytes; at += sizeof(ulong))
                BinaryPrimitives.WriteUInt64LittleEndian(chunk[at..], random.Next());
            // The minimum cancels the mean of the codes only with the scale that it belongs to.
            var choice = (int)(random.Next() >> 60);
            BinaryPrimitives.WriteUInt16LittleEndian(chunk, scales[choice]);
            BinaryPrimitives.WriteUInt16LittleEndian(chunk[sizeof(ushort)..], minimums[choice]);
        }
    }

    private static void FillQ6K(Span<byte> chunk, RandomBits random)
    {
        const int ScalesAt = 192;
        const int BlockBytes = 210;
        var scales = Scales(Deviation / Q6KDeviation);
        for (; chunk.Length >= BlockBytes; chunk = chunk[BlockBytes..])
        {
            for (var at = 0; at < ScalesAt; at += sizeof(ulong))
                BinaryPrimitives.WriteUInt64LittleEndian(chunk[at..], random.Next());
            // Sixteen scales from 32 to 95.
            for (var at = ScalesAt; at < Q6KScaleAt; at += sizeof(ulong))
                BinaryPrimitives.WriteUInt64LittleEndian(chunk[at..], (random.Next() & 0x3F3F_3F3F_3F3F_3F3F) + 0x2020_2020_2020_2020);
            BinaryPrimitives.WriteUInt16LittleEndian(chunk[Q6KScaleAt..], scales[(int)(random.Next() >> 60)]);
        }
    }

    // Of either sign, because codes such as Q4_0's are not symmetric; from 0.8 to 1.2 times the wanted one.
    private static ushort[] Scales(float scale)
    {
        var scales = new ushort[ScaleCount];
        for (var i = 0; i < ScaleCount; i++)
            scales[i] = BitConverter.HalfToUInt16Bits((Half)((i % 2 == 0 ? 1 : -1) * scale * (0.8f + (0.4f * i / (ScaleCount - 1)))));
        return scales;
    }

    /// <summary>Random 64-bit words, one after another.</summary>
    private struct RandomBits(ulong seed)
    {
        private readonly ulong _seed = seed * 0xD134_2543_DE82_EF95;
        private ulong _drawn;

        public ulong Next() => CounterNoise.Word(_seed, _drawn++);
    }
}
