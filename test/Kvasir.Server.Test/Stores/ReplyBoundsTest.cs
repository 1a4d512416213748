using System.Text;
using Kvasir.Server.Stores;

namespace Kvasir.Server.Test.Stores;

/// <summary>Replies that say more than they may have, and those that are none, wherever they are torn.</summary>
public sealed class ReplyBoundsTest
{
    private const string Sound = "+OK\r\n-ERR no\r\n:17\r\n$3\r\na\nb\r\n$-1\r\n*2\r\n$0\r\n\r\n*-1\r\n%1\r\n+a\r\n,1.5\r\n_\r\n#t\r\n(123\r\n=7\r\ntxt:abc\r\n>1\r\n~0\r\n!2\r\nno\r\n$2097152\r\n";

    [Fact]
    public void WhatIsSoundGoesThroughWhereverItIsTorn()
    {
        var bytes = Encoding.ASCII.GetBytes(Sound);
        // Seed of the places.
        var random = new Random(7);
        for (var run = 0; run < 200; run++)
        {
            var bounds = default(ReplyBounds);
            for (var at = 0; at < bytes.Length;)
            {
                var count = Math.Min(random.Next(1, 12), bytes.Length - at);
                bounds.Look(bytes.AsSpan(at, count));
                at += count;
            }
        }
    }

    [Theory]
    [InlineData("$2147483647\r\n", "more than 2097152 bytes")]
    [InlineData("$2097153\r\n", "more than 2097152 bytes")]
    [InlineData("$99999999999999999999999\r\n", "more than 2097152 bytes")]
    [InlineData("*65537\r\n", "more than 65536 parts")]
    [InlineData("$-7\r\n", "no reply")]
    [InlineData("$1x\r\n", "no number")]
    [InlineData("$3\r\nabc\r\nHTTP", "no reply")]
    [InlineData("\n", "no reply")]
    public void WhatIsNotIsAFault(string reply, string problem)
    {
        foreach (var before in new[] { "", Sound[..Sound.LastIndexOf('$')] })
        {
            var bounds = default(ReplyBounds);
            bounds.Look(Encoding.ASCII.GetBytes(before));
            Assert.Contains(problem, Assert.Throws<IOException>(() => bounds.Look(Encoding.ASCII.GetBytes(reply))).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void ALineWithoutAnEndIsAFault()
    {
        var bounds = default(ReplyBounds);
        bounds.Look("+"u8);
        Assert.Throws<IOException>(() => bounds.Look(new byte[70_000]));
    }
}
