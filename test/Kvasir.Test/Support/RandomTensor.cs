using System.Buffers.Binary;

namespace Kvasir.Test.Support;

/// <summary>
/// Weights from a counter: the same bytes come out of this file and of tools/golden-logits/random_tensors.py, so that a
/// test needs no model files. A word of a stream is splitmix64's finaliser over its place in the stream.
/// </summary>
public static class RandomTensor
{
    private const ulong Golden = 0x9E3779B97F4A7C15;

    /// <summary>The tensor as it stands in a file; throws for a type that the table does not use.</summary>
    public static byte[] Bytes(GoldenTensor tensor)
    {
        if (tensor.Of is { } parts)
            return AlternatingTensor.Bytes(parts, tensor.Part!);
        var count = 1;
        foreach (var extent in tensor.Shape)
        {
            count *= extent;
        }
        if (tensor.Values is { } values)
        {
            return Encode("F32", values);
        }
        return tensor.Type is "F32" or "F16" or "BF16"
            ? Encode(tensor.Type, Grouped(tensor, Turned(tensor, Floats(tensor, count))))
            : Blocks(tensor.Type, tensor.Stream, count, (float)tensor.Scale);
    }

    /// <summary>(GGUF type number, elements per block, bytes per block).</summary>
    public static (uint Number, int Elements, int Bytes) Layout(string type) => type switch
    {
        "F32" => (0, 1, 4),
        "F16" => (1, 1, 2),
        "BF16" => (30, 1, 2),
        "Q8_0" => (8, 32, 34),
        "Q4_0" => (2, 32, 18),
        "Q4_1" => (3, 32, 20),
        "Q5_0" => (6, 32, 22),
        "Q5_1" => (7, 32, 24),
        "Q4_K" => (12, 256, 144),
        "Q5_K" => (13, 256, 176),
        "Q6_K" => (14, 256, 210),
        "Q2_K" => (10, 256, 84),
        "Q3_K" => (11, 256, 110),
        "IQ4_NL" => (20, 32, 18),
        "IQ4_XS" => (23, 256, 136),
        "MXFP4" => (39, 32, 17),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "not a weight type of the table"),
    };

    // One product and one sum in single precision, as numpy does them.
    private static float[] Floats(GoldenTensor tensor, int count)
    {
        var start = Mix(tensor.Stream);
        var step = (float)(tensor.Scale / (1 << 23));
        var centre = (float)tensor.Centre;
        var x = new float[count];
        for (var i = 0; i < count; i++)
        {
            var place = tensor.First + (tensor.Run == 0 ? i : (i / tensor.Run * tensor.Stride) + (i % tensor.Run));
            var scaled = ((int)(Word(start, place) >> 40) - (1 << 23)) * step;
            x[i] = centre + scaled;
        }
        return x;
    }

    // Rows of pairs that lie side by side, put into halves.
    private static float[] Turned(GoldenTensor tensor, float[] x)
    {
        if (tensor.HeadRows == 0)
            return x;
        var (rows, half) = (tensor.Shape[^1], tensor.Turned / 2);
        var columns = x.Length / rows;
        var y = new float[x.Length];
        for (var row = 0; row < rows; row++)
        {
            var place = row % tensor.HeadRows;
            var from = row - place + (place < half ? 2 * place : place < tensor.Turned ? (2 * (place - half)) + 1 : place);
            x.AsSpan(from * columns, columns).CopyTo(y.AsSpan(row * columns));
        }
        return y;
    }

    // Queries, then keys, then values, put together by group.
    private static float[] Grouped(GoldenTensor tensor, float[] x)
    {
        if (tensor.Group is not [var queries, var keys, var rows])
            return x;
        var head = rows * (x.Length / tensor.Shape[^1]);
        var y = new float[x.Length];
        for (var to = 0; to < (queries + 2) * keys; to++)
        {
            var (group, place) = (to / (queries + 2), to % (queries + 2));
            var from = place < queries ? (group * queries) + place : ((queries + place - queries) * keys) + group;
            x.AsSpan(from * head, head).CopyTo(y.AsSpan(to * head));
        }
        return y;
    }

    private static byte[] Encode(string type, float[] x)
    {
        var size = Layout(type).Bytes;
        var bytes = new byte[x.Length * size];
        for (var i = 0; i < x.Length; i++)
        {
            var at = bytes.AsSpan(i * size);
            var bits = BitConverter.SingleToUInt32Bits(x[i]);
            switch (type)
            {
                case "F32": BinaryPrimitives.WriteSingleLittleEndian(at, x[i]); break;
                case "F16": BinaryPrimitives.WriteHalfLittleEndian(at, (Half)x[i]); break;
                default: BinaryPrimitives.WriteUInt16LittleEndian(at, (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)); break;
            }
        }
        return bytes;
    }

    // The first word of a block makes its scale, the following ones are its bytes.
    private static byte[] Blocks(string type, ulong stream, int count, float scale)
    {
        var (_, elements, size) = Layout(type);
        var start = Mix(stream);
        var blocks = new byte[count / elements * size];
        var words = 1 + ((size + 7) / 8);
        Span<byte> word = stackalloc byte[8];
        for (var b = 0; b < count / elements; b++)
        {
            var block = blocks.AsSpan(b * size, size);
            for (var i = 1; i < words; i++)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(word, Word(start, (b * words) + i));
                var rest = block[((i - 1) * 8)..];
                word[..Math.Min(8, rest.Length)].CopyTo(rest);
            }
            Plausible(type, block, Word(start, b * words), scale);
        }
        return blocks;
    }

    private static void Plausible(string type, Span<byte> block, ulong word, float scale)
    {
        if (type == "MXFP4")
        {
            block[0] = (byte)(128 + MathF.ILogB(scale) + (int)(word & 1));
            return;
        }
        var unit = scale * (0.75f + ((word >> 40) * (1f / (1 << 25))));
        var bothSigns = type is "Q4_0" or "Q5_0" or "Q6_K";
        var d = (Half)(bothSigns && (word & 1) != 0 ? -unit : unit);
        var at = type switch { "Q6_K" => 208, "Q3_K" => 108, "Q2_K" => 80, _ => 0 };
        BinaryPrimitives.WriteHalfLittleEndian(block[at..], d);
        var centre = type switch { "Q4_1" => -7.5f, "Q5_1" => -15.5f, "Q4_K" => 7.5f, "Q5_K" => 15.5f, "Q2_K" => 1.5f, _ => 0f };
        if (centre != 0)
        {
            BinaryPrimitives.WriteHalfLittleEndian(block[(at + 2)..], (Half)(centre * (float)d));
        }
        switch (type)
        {
            case "Q4_K" or "Q5_K":
                foreach (ref var b in block[4..12])
                {
                    b |= 0xA0;
                }
                break;
            case "Q6_K":
                foreach (ref var b in block[192..208])
                {
                    b = (byte)((b & 0x80) != 0 ? 192 - (b & 63) : 64 + (b & 63));
                }
                break;
            case "Q2_K":
                foreach (ref var b in block[..16])
                {
                    b |= 0x88;
                }
                break;
            case "Q3_K" or "IQ4_XS":
                // Both bits of a pair alike: scales of six bits far from the 32 that is taken from them.
                foreach (ref var b in type == "Q3_K" ? block[104..108] : block[2..4])
                {
                    b = (byte)((b & 0x55) * 3);
                }
                break;
            case "Q8_0":
                block[2..].Replace((byte)0x80, (byte)0);
                break;
        }
    }

    private static ulong Word(ulong start, int place) => Mix(unchecked(start + (((ulong)place + 1) * Golden)));

    private static ulong Mix(ulong z)
    {
        z = unchecked((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9);
        z = unchecked((z ^ (z >> 27)) * 0x94D049BB133111EB);
        return z ^ (z >> 31);
    }
}
