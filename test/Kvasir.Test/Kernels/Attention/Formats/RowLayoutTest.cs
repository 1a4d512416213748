using Kvasir.Cache;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Memory;

namespace Kvasir.Test.Kernels.Attention.Formats;

public sealed class RowLayoutTest
{
    private static readonly int[] Dims = [1, 32, 33, 64, 65, 80, 128];

    [Theory]
    [InlineData(64, 3)]
    [InlineData(128, 5)]
    [InlineData(256, 9)]
    public void AQ8KeyAndItsValueLieInTheFewestLines(int dim, int lines)
    {
        using var pages = new LonePages(KvFormat.Q8, dim, PagePool.PageTokens, 3);
        for (var row = 0; row < pages.Rows; row++)
        {
            var touched = pages.Written(row, values: false).Concat(pages.Written(row, values: true)).Select(at => at / 64).Distinct().Count();
            Assert.True(touched <= lines, $"dim {dim}, row {row}: {touched} lines");
        }
    }

    [Fact]
    public void EightQ8RowsOf64ShareTheLineOfTheirScales()
    {
        using var pages = new LonePages(KvFormat.Q8, 64, PagePool.PageTokens, 1);
        var touched = Enumerable.Range(8, 8).SelectMany(row => pages.Written(row, values: false).Concat(pages.Written(row, values: true)));
        Assert.Equal(8 + 8 + 1, touched.Select(at => at / 64).Distinct().Count());
    }

    [Fact]
    [Trait("Needs", "Seconds")]
    public void RowsFillAPageWithoutAGapAndWithoutTouchingEachOther()
    {
        // Rows that have scales in common touch each other there: PackedRowsTest has them.
        var formats = KvFormat.Table.SelectMany(keys => KvFormat.Table.Select(values => KvFormat.Pair(keys, values))).Distinct();
        foreach (var type in formats.Where(static type => !type.Keys.SharesScales && !type.Values.SharesScales))
        {
            foreach (var dim in Dims)
            {
                foreach (var pageTokens in (int[])[1, 2, 32])
                {
                    using var pages = new LonePages(type, dim, pageTokens, 2);
                    var owners = new int[2 * pages.PageBytes];
                    for (var row = 0; row < pages.Rows; row++)
                    {
                        foreach (var at in pages.Written(row, values: false).Concat(pages.Written(row, values: true)))
                            owners[at]++;
                    }

                    var rowBytes = pageTokens * (type.Keys.RowBytes(dim) + type.Values.RowBytes(dim));
                    for (var at = 0; at < owners.Length; at++)
                    {
                        if (owners[at] != (at % pages.PageBytes < rowBytes ? 1 : 0))
                            Assert.Fail($"{type}, dim {dim}, {pageTokens} rows, byte {at}: {owners[at]} owners");
                    }
                }
            }
        }
    }

    [Fact]
    public void ARowOutsideThePagesIsNotStored()
    {
        using var pages = new LonePages(KvFormat.Q8, 64, 4, 2);
        Assert.Throws<IndexOutOfRangeException>(() => pages.Keys.Encode(8, new float[64]));
        Assert.Throws<IndexOutOfRangeException>(() => pages.Keys.Encode(-1, new float[64]));
        Assert.Throws<ArgumentException>(() => pages.Keys.Encode(0, new float[63]));
        Assert.Throws<ArgumentException>(() => pages.Values.Decode(0, new float[65]));
    }

    /// <summary>Pages one behind the other, and which of their bytes a row takes: those that are not as they were after it was written over zeros or over ones.</summary>
    private sealed class LonePages : IDisposable
    {
        private readonly NativeArena _memory;
        private readonly nint[] _pages;
        private readonly KvFormat _type;
        private readonly int _dim;
        private readonly int _pageTokens;

        public LonePages(KvFormat type, int dim, int pageTokens, int pageCount)
        {
            (_type, _dim, _pageTokens) = (type, dim, pageTokens);
            PageBytes = type.Page(dim, pageTokens).Bytes;
            _memory = new NativeArena(1, SlabSource.System);
            Assert.True(_memory.TryAdd(0, pageCount * PageBytes));
            _pages = [.. Enumerable.Range(0, pageCount).Select(page => _memory.Address(0, page * PageBytes))];
        }

        public int PageBytes { get; }

        public int Rows => _pages.Length * _pageTokens;

        public PagedRows Keys => _type.Page(_dim, _pageTokens).Keys(_pages);

        public PagedRows Values => _type.Page(_dim, _pageTokens).Values(_pages);

        /// <summary>Offsets from the first page on.</summary>
        public List<int> Written(int row, bool values)
        {
            var elements = AttentionCase.Normal(new Random(row), _dim);
            var bytes = _memory.Span(0, 0, _pages.Length * PageBytes);
            var written = new bool[bytes.Length];
            foreach (var filling in (byte[])[0x00, 0xFF])
            {
                bytes.Fill(filling);
                (values ? Values : Keys).Encode(row, elements);
                for (int at = 0, next; (next = bytes[at..].IndexOfAnyExcept(filling)) >= 0; at += next + 1)
                    written[at + next] = true;
            }

            var offsets = new List<int>();
            for (int at = 0, next; (next = written.AsSpan(at).IndexOf(true)) >= 0; at += next + 1)
                offsets.Add(at + next);
            return offsets;
        }

        public void Dispose() => _memory.Dispose();
    }
}
