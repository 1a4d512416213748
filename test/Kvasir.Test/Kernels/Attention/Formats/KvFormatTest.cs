using Kvasir.Cache;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Kernels.Attention.Formats;

public sealed class KvFormatTest
{
    private static readonly int[] Dims = [1, 8, 33, 64, 128];

    [Fact]
    public void EveryRowComesBackWithinItsStatedError()
    {
        foreach (var format in KvFormat.Table)
        {
            var used = Math.Max(Check(format, values: false), Check(format, values: true));
            // A bound that nothing comes near would hold for any codec.
            Assert.True(format.Keys.ErrorShare == 0 || used > 0.5, $"{format}: the largest error is {used} of what is stated");
        }
    }

    [Fact]
    public void EveryCodecHasAScalarReferenceAndTheFastestFormIsUsed()
    {
        foreach (var codec in KvFormat.Table.SelectMany(row => (RowCodec[])[row.Keys, row.Values]))
        {
            Assert.Equal(("scalar", true), (codec.Forms[0].Name, codec.Forms[0].IsSupported));
            Assert.Same(codec.Forms.Last(form => form.IsSupported).Run, codec.Kernels);
            Assert.Same(codec.Forms[0].Run, codec.Form("scalar"));
            Assert.Same(codec.Forms[^1].Run, codec.Form("none such"));
        }
    }

    [Theory]
    [InlineData("bf16", "bf16")]
    [InlineData("Q8", "q8")]
    [InlineData("INT8-Channel", "int8-channel")]
    [InlineData("keys=q8,values=bf16", "keys=q8,values=bf16")]
    [InlineData("KEYS=f32,Values=INT8", "keys=f32,values=int8")]
    [InlineData("keys=q8,values=q8", "q8")]
    [InlineData("keys=int8-channel,values=int8", "int8")]
    [InlineData("keys=int8-channel,values=q8", "keys=int8,values=q8")]
    [InlineData("", null)]
    [InlineData("q9", null)]
    [InlineData("q8,bf16", null)]
    [InlineData("keys=q8", null)]
    [InlineData("values=bf16,keys=q8", null)]
    [InlineData("keys=q8,values=bf16,values=q8", null)]
    [InlineData("keys=keys=q8,values=q8", null)]
    [InlineData("keys=,values=q8", null)]
    public void TextsNameRowsOfTheTableAndPairsOfThem(string text, string? name)
    {
        Assert.Equal(name, KvFormat.Find(text)?.Name);
        if (name is not null)
            Assert.Equal(KvFormat.Find(text), KvFormat.Find(name));
    }

    [Fact]
    public void APairStoresKeysAsOneRowDoesAndValuesAsTheOther()
    {
        foreach (var keys in KvFormat.Table)
        {
            foreach (var values in KvFormat.Table)
            {
                var pair = KvFormat.Pair(keys, values);
                Assert.Equal((keys.Keys, values.Values), (pair.Keys, pair.Values));
                Assert.Equal(pair, KvFormat.Find(pair.Name));
            }
        }
    }

    [Fact]
    public void OnlyNewNamesOfLettersDigitsAndHyphensAreRegistered()
    {
        foreach (var name in (string[])["", "q 8", "keys=q8,values=q8", "q8", "bf16"])
        {
            var refusal = Assert.Throws<ArgumentException>(() => KvFormat.Register(KvFormat.Q8 with { Name = name }));
            Assert.Contains($"'{name}'", refusal.Message, StringComparison.Ordinal);
        }
    }

    // The largest error, as a share of what is stated for it.
    private static double Check(KvFormat format, bool values)
    {
        const int RowCount = PagePool.PageTokens + 7;
        var (most, codec) = (0.0, values ? format.Values : format.Keys);
        foreach (var dim in Dims)
        {
            var random = new Random(dim);
            float[][] rows = [.. Enumerable.Range(0, RowCount).Select(_ => AttentionCase.Normal(random, dim))];
            using var cache = new KvCache(format, 1, 1, dim, 4 << 20);
            var sequence = cache.Open(RowCount);
            Assert.True(sequence.TryReserve(RowCount));
            foreach (var row in rows)
                sequence.Head(0, 0).Append(row, row);
            var seen = new float[dim];
            for (var i = 0; i < RowCount; i++)
            {
                (values ? sequence.Head(0, 0).Values : sequence.Head(0, 0).Keys).Decode(i, seen);
                var first = i / PagePool.PageTokens * PagePool.PageTokens;
                var together = codec.SealsPages ? rows[first..Math.Min(RowCount, first + PagePool.PageTokens)] : [rows[i]];
                var bound = codec.ErrorShare * together.Max(row => row.Max(MathF.Abs));
                for (var d = 0; d < dim; d++)
                {
                    var error = Math.Abs((double)seen[d] - rows[i][d]);
                    // What is computed in floats, of numbers of this size, may be off by a few of their last bits.
                    Assert.True(error <= bound + 1e-6 * Math.Abs(rows[i][d]), $"{format}, values {values}, dim {dim}, row {i}: {seen[d]} for {rows[i][d]}, bound {bound}");
                    most = Math.Max(most, bound > 0 ? error / bound : 0);
                }
            }
        }

        return most;
    }
}
