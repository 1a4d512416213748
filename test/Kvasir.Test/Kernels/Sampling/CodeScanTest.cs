using Kvasir.Kernels.Sampling;

namespace Kvasir.Test.Kernels.Sampling;

public sealed class CodeScanTest
{
    [Theory]
    [InlineData(1, 8, 1)]
    [InlineData(2, 8, 3)]
    [InlineData(3, 24, 2)]
    [InlineData(5, 32, 4)]
    [InlineData(70, 16, 5)]
    [InlineData(3, 40, 8)]
    [InlineData(2, 32, 7)]
    [InlineData(1, 128, 1)]
    public void EveryVariantAddsWhatTheTablesSay(int groups, int tableCount, int heads)
    {
        var seed = 100 * groups + tableCount;
        var random = new Random(seed);
        var (rows, stride) = (groups * CodeScan.GroupRows, groups * CodeScan.GroupRows + 7);
        var (codes, numbers) = (new byte[groups * CodeScan.GroupBytes(tableCount)], new byte[rows * tableCount]);
        for (var row = 0; row < rows; row++)
        {
            var own = numbers.AsSpan(row * tableCount, tableCount);
            for (var table = 0; table < tableCount; table++)
                own[table] = (byte)random.Next(CodeScan.TableEntries);
            CodeScan.Store(codes.AsSpan(row / CodeScan.GroupRows * CodeScan.GroupBytes(tableCount), CodeScan.GroupBytes(tableCount)), row % CodeScan.GroupRows, own);
        }

        var tables = new byte[heads * tableCount * CodeScan.TableEntries];
        for (var first = 0; first < tables.Length; first += CodeScan.TablesAtOnce * CodeScan.TableEntries)
        {
            // Tables share what a byte holds unevenly, and all of it is used.
            var left = CodeScan.MostSum;
            for (var table = 0; table < CodeScan.TablesAtOnce; table++)
            {
                var most = table == CodeScan.TablesAtOnce - 1 ? left : random.Next(left + 1);
                for (var i = 0; i < CodeScan.TableEntries; i++)
                    tables[first + table * CodeScan.TableEntries + i] = (byte)(random.Next(4) == 0 ? most : random.Next(most + 1));
                left -= most;
            }
        }

        foreach (var variant in CodeScan.Variants.Where(static variant => variant.IsSupported))
        {
            var scores = new ushort[heads * stride];
            variant.Run(codes, tables, tableCount, scores, stride);
            for (var head = 0; head < heads; head++)
            {
                for (var row = 0; row < rows; row++)
                {
                    var sum = Enumerable.Range(0, tableCount).Sum(t => tables[(head * tableCount + t) * CodeScan.TableEntries + numbers[row * tableCount + t]]);
                    Assert.True(sum == scores[head * stride + row], $"{variant.Name}, seed {seed}, head {head}, row {row}: {scores[head * stride + row]}, not {sum}");
                }
            }
        }
    }

    [Fact]
    public void TheBestHeadCountsAndNoiseDecides()
    {
        const int Groups = 3, Heads = 3, Rows = Groups * CodeScan.GroupRows, Stride = Rows + 5;
        var random = new Random(7);
        var scores = Enumerable.Range(0, Heads * Stride).Select(_ => (ushort)random.Next(8000)).ToArray();
        var noise = Enumerable.Range(0, Rows).Select(_ => (ushort)random.Next(4000)).ToArray();
        ushort[] shifts = [20000, 26000, 23000];
        var (best, bits) = (new ushort[Rows], new ulong[Groups]);
        CodeScan.Best(scores, Stride, shifts, 27000, best);
        CodeScan.Mark(best, noise, 2, 31000, bits);
        for (var row = 0; row < Rows; row++)
        {
            Assert.Equal(Enumerable.Range(0, Heads).Max(head => Math.Max(27000, scores[head * Stride + row] + shifts[head])), best[row]);
            Assert.Equal(best[row] + noise[row] / 4 > 31000, (bits[row / 64] >> (row % 64) & 1) == 1);
        }
    }

    [Fact]
    public void WrongLengthsAreRefused()
    {
        Assert.Throws<ArgumentException>(static () => CodeScan.Scan(new byte[255], new byte[128], 8, new ushort[64], 64));
        Assert.Throws<ArgumentOutOfRangeException>(static () => CodeScan.Scan(new byte[256], new byte[192], 12, new ushort[64], 64));
        Assert.Throws<ArgumentOutOfRangeException>(static () => CodeScan.Scan(new byte[256], new byte[128], 8, new ushort[64], 63));
        Assert.Throws<ArgumentException>(static () => CodeScan.Scan(new byte[256], new byte[256], 8, new ushort[127], 64));
        Assert.Throws<ArgumentException>(static () => CodeScan.Mark(new ushort[64], new ushort[63], 0, 0, new ulong[1]));
    }
}
