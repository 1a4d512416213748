using CsCheck;
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

    // Numbers of any size beside each other, zeros, and rows that are nothing else.
    [Fact]
    [Trait("Needs", "Seconds")]
    public void RowsOfAnyNumbersComeBackWithinTheStatedError()
    {
        var number = Gen.OneOf(Gen.Float[-1, 1], Gen.Float[-30_000, 30_000], Gen.Float[-1e-3f, 1e-3f], Gen.Const(0f), Gen.Const(-0f));
        var row = Gen.OneOf(number.Array[33], number.Array[33], Gen.Const(new float[33]));
        row.Array[1, PagePool.PageTokens + 3].Sample(
            static rows =>
            {
                foreach (var format in KvFormat.Table)
                    Assert.True(Check(format, values: false, rows) <= 1.001 && Check(format, values: true, rows) <= 1.001, $"{format}");
            },
            iter: 100);
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
        var most = 0.0;
        foreach (var dim in Dims)
        {
            var random = new Random(dim);
            most = Math.Max(most, Check(format, values, [.. Enumerable.Range(0, RowCount).Select(_ => AttentionCase.Normal(random, dim))]));
        }

        return most;
    }

    private static double Check(KvFormat format, bool values, float[][] rows)
    {
        var (most, dim, codec) = (0.0, rows[0].Length, values ? format.Values : format.Keys);
        using var cache = new KvCache(format, 1, 1, dim, 4 << 20);
        // The newest rows of some formats are read as they came: zeros behind those that are looked at.
        const int Newest = 128;
        var sequence = cache.Open(rows.Length + Newest);
        Assert.True(sequence.TryReserve(rows.Length + Newest));
        foreach (var row in rows.Concat(Enumerable.Repeat(new float[dim], Newest)))
            sequence.Head(0, 0).Append(row, row);
        var seen = new float[dim];
        for (var i = 0; i < rows.Length; i++)
        {
            (values ? sequence.Head(0, 0).Values : sequence.Head(0, 0).Keys).Decode(i, seen);
            var first = i / PagePool.PageTokens * PagePool.PageTokens;
            var together = codec.SealsPages ? rows[first..Math.Min(rows.Length, first + PagePool.PageTokens)] : [rows[i]];
            var bound = codec.ErrorShare * together.Max(row => row.Max(MathF.Abs));
            for (var d = 0; d < dim; d++)
            {
                var error = Math.Abs((double)seen[d] - rows[i][d]);
                // What is computed in floats, of numbers of this size, may be off by a few of their last bits.
                Assert.True(error <= bound + 1e-6 * Math.Abs(rows[i][d]), $"{format}, values {values}, dim {dim}, row {i}: {seen[d]} for {rows[i][d]}, bound {bound}");
                most = Math.Max(most, bound > 0 ? error / bound : 0);
            }
        }

        return most;
    }
}
