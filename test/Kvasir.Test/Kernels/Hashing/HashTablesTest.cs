using Kvasir.Kernels.Hashing;
using Kvasir.Kernels.Memory;

namespace Kvasir.Test.Kernels.Hashing;

public sealed class HashTablesTest
{
    [Theory]
    [InlineData(1, 2, 1)]
    [InlineData(4, 50, 64)]
    [InlineData(4, 50, 63)]
    [InlineData(4, 50, 65)]
    [InlineData(8, 100, 3000)]
    [InlineData(12, 30, 5000)]
    [InlineData(16, 20, 65536)]
    [InlineData(1, 1024, 200)]
    public void RowsWithTwoCommonBucketsAreMarkedTwice(int bits, int tables, int rows)
    {
        for (var seed = 0; seed < 3; seed++)
        {
            var random = new Random(seed);
            var codes = Codes(random, tables * rows, bits);
            var query = Codes(random, tables, bits);
            // Some rows share many buckets.
            for (var i = 0; i < Math.Min(20, rows); i++)
            {
                var row = random.Next(rows);
                for (var table = 0; table < tables; table += 1 + i % 5)
                    codes[table * rows + row] = query[table];
            }

            using var memory = new NativeBuffer(HashTables.BytesFor(tables, bits, rows));
            var built = new HashTables(memory.View, tables, bits, rows);
            Build(built, codes, tables);
            var counts = new byte[rows];
            var met = built.Count(query, counts);
            var twice = new ulong[(rows + 63) / 64];
            FoundRows.Mark(counts, 2, twice);
            var all = 0L;
            for (var row = 0; row < rows; row++)
            {
                var common = Enumerable.Range(0, tables).Count(table => codes[table * rows + row] == query[table]);
                all += common;
                Assert.Equal((Math.Min(common, 2), common >= 2), (Math.Min(counts[row], (byte)2), Bit(twice, row)));
            }

            Assert.Equal(all, met);
        }
    }

    [Theory]
    [InlineData(1, 2, 2, 1)]
    [InlineData(4, 50, 65, 3)]
    [InlineData(8, 100, 3000, 1500)]
    [InlineData(16, 3, 65536, 60000)]
    public void TablesOfSomeRowsAreThoseBuiltOfThem(int bits, int tables, int rows, int kept)
    {
        var random = new Random(rows);
        var codes = Codes(random, tables * rows, bits);
        int[] left = [.. Enumerable.Range(0, rows).OrderBy(_ => random.Next()).Take(kept).Order()];
        using var memory = new NativeBuffer(HashTables.BytesFor(tables, bits, rows));
        var whole = new HashTables(memory.View, tables, bits, rows);
        Build(whole, codes, tables);
        var numbers = new int[rows];
        Array.Fill(numbers, -1);
        for (var i = 0; i < kept; i++)
            numbers[left[i]] = i;
        using var copy = new NativeBuffer(HashTables.BytesFor(tables, bits, kept));
        var some = whole.Keep(numbers, kept);
        memory.View.Slice(0, copy.View.Bytes).CopyTo(copy.View);
        some = some.At(copy.View);
        using var other = new NativeBuffer(HashTables.BytesFor(tables, bits, kept));
        var built = new HashTables(other.View, tables, bits, kept);
        Build(built, [.. Enumerable.Range(0, tables).SelectMany(table => left.Select(row => codes[(table * rows) + row]))], tables);
        Assert.Equal(kept, some.Rows);
        Assert.True(copy.View.Span<byte>(0, (int)copy.View.Bytes).SequenceEqual(other.View.Span<byte>(0, (int)other.View.Bytes)));
    }

    [Fact]
    public void TheBudgetOfRandomCodesIsThatOfTheSpecification()
    {
        // By the law of collisions: 98304 rows, K = 10, L = 150: 14375 probes and 0.968 % of the rows, give or take 4 standard deviations.
        const int Rows = 32768, Tables = 150, Parts = 3;
        var random = new Random(4);
        var query = Codes(random, Tables, 10);
        var (met, found) = (0L, 0);
        for (var part = 0; part < Parts; part++)
        {
            using var memory = new NativeBuffer(HashTables.BytesFor(Tables, 10, Rows));
            var built = new HashTables(memory.View, Tables, 10, Rows);
            Build(built, Codes(random, Tables * Rows, 10), Tables);
            var (counts, twice) = (new byte[Rows], new ulong[Rows / 64]);
            met += built.Count(query, counts);
            FoundRows.Mark(counts, 2, twice);
            found += twice.Sum(System.Numerics.BitOperations.PopCount);
        }

        Assert.InRange(met, 14375 - 480, 14375 + 480);
        Assert.InRange(found, 952 - 124, 952 + 124);
    }

    private static void Build(HashTables built, ushort[] codes, int tables)
    {
        var copy = new ushort[built.Rows];
        for (var table = 0; table < tables; table++)
        {
            codes.AsSpan(table * built.Rows, built.Rows).CopyTo(built.Codes(table));
            built.Sort(table, copy);
        }
    }

    private static bool Bit(ulong[] bits, int row) => (bits[row / 64] >> (row % 64) & 1) != 0;

    private static ushort[] Codes(Random random, int count, int bits)
    {
        var codes = new ushort[count];
        for (var i = 0; i < count; i++)
            codes[i] = (ushort)random.Next(1 << bits);
        return codes;
    }
}
