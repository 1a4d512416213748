using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Cache;

public sealed class SequenceCacheTest
{
    private const int Dim = 8;

    [Fact]
    public void RowsComeBackAsTheyWereAppended()
    {
        using var cache = new KvCache(KvFormat.F32, 2, 3, Dim, 1 << 20);
        var sequence = cache.Open(100);
        Assert.True(sequence.TryReserve(70));
        var head = sequence.Head(1, 2);
        for (var row = 0; row < 70; row++)
            head.Append(Row(row), Row(-row));
        var scores = new float[70];
        var query = new float[Dim];
        query[0] = 1;
        AttentionScores.Rows(query, head.Keys, new RowSet(0, 70), 1, scores, 70);
        for (var row = 0; row < 70; row++)
            Assert.Equal(row, scores[row]);
        Assert.Equal(0, sequence.Head(0, 0).RowCount);
    }

    [Fact]
    public void ReservationIsAllOrNothing()
    {
        // Six heads; memory for 13 pages: two rounds of six, and one page that no round can use.
        using var cache = new KvCache(KvFormat.F32, 2, 3, Dim, 13 * PageBytes());
        var sequence = cache.Open(1000);
        Assert.True(sequence.TryReserve(64));
        Assert.Equal(12, cache.Pool.PagesInUse);
        Assert.False(sequence.TryReserve(65));
        Assert.Equal(12, cache.Pool.PagesInUse);
        Assert.Equal(64, sequence.ReservedRows);
        sequence.Truncate(0);
        Assert.Equal(0, cache.Pool.PagesInUse);
        Assert.Equal(0, sequence.Bytes);
        cache.Pool.Verify();
    }

    [Fact]
    public void TruncationReturnsPagesAndAllowsReappending()
    {
        using var cache = new KvCache(KvFormat.F32, 1, 1, Dim, 1 << 20);
        var sequence = cache.Open(100);
        Assert.True(sequence.TryReserve(65));
        var head = sequence.Head(0, 0);
        for (var row = 0; row < 65; row++)
            head.Append(Row(row), Row(row));
        Assert.Equal(3, cache.Pool.PagesInUse);
        sequence.Truncate(31);
        Assert.Equal((31, 1, 31), (head.RowCount, cache.Pool.PagesInUse, sequence.ReservedRows));
        Assert.True(sequence.TryReserve(33));
        head.Append(Row(7), Row(7));
        head.Append(Row(8), Row(8));
        var scores = new float[2];
        var query = new float[Dim];
        query[0] = 1;
        AttentionScores.Rows(query, head.Keys, new RowSet(31, 2), 1, scores, 2);
        Assert.Equal([7f, 8f], scores);
    }

    [Theory]
    [InlineData("f32", 40)]
    [InlineData("int8", 40)]
    [InlineData("int8-channel", 33)]
    [InlineData("q8", 63)]
    public void WhoGoesOnInASharedPageWritesToACopy(Kv type, int rows)
    {
        using var cache = new KvCache(type, 1, 1, Dim, 1 << 20);
        var (first, second) = (cache.Open(100), cache.Open(100));
        Assert.True(first.TryReserve(64));
        for (var row = 0; row < 64; row++)
            first.Head(0, 0).Append(Row(row), Row(-row));
        var shared = new HeldColumns(first, 1, 2);
        second.Adopt(shared.Columns);
        // Full pages are nobody's to write to before somebody takes rows of them back.
        second.Truncate(rows);
        first.Truncate(50);
        Assert.Equal((1, 1), (second.PagesMissing(rows + 1), first.PagesMissing(51)));
        foreach (var sequence in (SequenceCache[])[second, first])
        {
            var before = Keys(first, 50);
            Assert.True(sequence.TryReserve(sequence.Head(0, 0).RowCount + 1));
            sequence.Head(0, 0).Append(Row(70), Row(70));
            cache.Pool.Verify();
            for (var row = 0; row < 50; row++)
                Assert.Equal(before[row], Keys(first, 50)[row], type == KvFormat.F32 ? 0 : 0.3);
            for (var row = 0; row < rows; row++)
                Assert.Equal(row, Keys(second, rows)[row], type == KvFormat.F32 ? 0 : 0.3);
        }

        second.Close();
        shared.Release();
        // Nobody else has it now: it is written to where it is.
        Assert.Equal(0, first.PagesMissing(52));
        first.Close();
        cache.Pool.Verify();
        Assert.Equal(0, cache.Pool.PagesInUse);
    }

    [Fact]
    public void BytesPerTokenCountAllHeads()
    {
        using var cache = new KvCache(KvFormat.BF16, 32, 8, 128, 1 << 30);
        Assert.Equal(128 << 10, cache.BytesPerToken);
        Assert.Equal((1 << 30) / (128 << 10), cache.TokenLimit);
    }

    [Fact]
    public void ALimitBelowTheFirstPagesIsRefused()
    {
        var refusal = Assert.Throws<KvasirException>(() => new KvCache(KvFormat.F32, 4, 4, Dim, 15 * PageBytes()));
        Assert.Equal(KvasirError.KvMemoryExceeded, refusal.Error);
        Assert.Contains($"{16 * PageBytes()}", refusal.Message, StringComparison.Ordinal);
    }

    private static float[] Keys(SequenceCache sequence, int count)
    {
        var (row, keys) = (new float[Dim], new float[count]);
        for (var i = 0; i < count; i++)
        {
            sequence.Head(0, 0).Keys.Decode(i, row);
            keys[i] = row[0];
        }

        return keys;
    }

    private static float[] Row(float first)
    {
        var row = new float[Dim];
        row[0] = first;
        return row;
    }

    private static long PageBytes() => 2 * PagePool.PageTokens * RowCodec.F32.RowBytes(Dim);
}
