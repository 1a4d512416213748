namespace Kvasir.Test.Support;

/// <summary>Tensors of folders of gpt-oss, made of plain ones; as alternating() of tools/golden-logits/random_tensors.py makes them.</summary>
internal static class AlternatingTensor
{
    /// <param name="of">Whose rows follow in turn.</param>
    /// <param name="part">As <see cref="GoldenTensor.Part"/> says.</param>
    public static byte[] Bytes(GoldenTensor[] of, string part)
    {
        var (number, elements, size) = RandomTensor.Layout(of[0].Type);
        Assert.True(part is "turned" or "elements" || number == 39, part);
        var columns = part == "elements" ? 1 : of[0].Shape[0];
        var rows = InTurn([.. of.Select(RandomTensor.Bytes)], columns / elements * size);
        return part switch
        {
            "elements" => rows,
            "turned" => Turned(rows, (of[0].Shape[2], of[0].Shape[1] * of.Length, columns), size),
            "scales" => [.. rows.Chunk(size).Select(static block => block[0])],
            _ => [.. rows.Chunk(size).SelectMany(static block => Codes(block.AsSpan(1).ToArray()))],
        };
    }

    private static byte[] InTurn(byte[][] parts, int rowBytes)
    {
        var rows = new byte[parts.Sum(static part => part.Length)];
        for (var at = 0; at < rows.Length; at += rowBytes)
        {
            var row = at / rowBytes;
            parts[row % parts.Length].AsSpan(row / parts.Length * rowBytes, rowBytes).CopyTo(rows.AsSpan(at));
        }

        return rows;
    }

    private static byte[] Turned(byte[] rows, (int Matrices, int Rows, int Columns) count, int size)
    {
        var turned = new byte[rows.Length];
        for (var i = 0; i < rows.Length / size; i++)
        {
            var (row, column, matrix) = (i / count.Columns % count.Rows, i % count.Columns, i / count.Columns / count.Rows);
            rows.AsSpan(i * size, size).CopyTo(turned.AsSpan(((((matrix * count.Columns) + column) * count.Rows) + row) * size));
        }

        return turned;
    }

    // The nibbles in order, two neighbours to a byte.
    private static IEnumerable<byte> Codes(byte[] block)
    {
        int[] codes = [.. block.Select(static b => b & 15), .. block.Select(static b => b >> 4)];
        return Enumerable.Range(0, block.Length).Select(i => (byte)(codes[2 * i] | (codes[(2 * i) + 1] << 4)));
    }
}
