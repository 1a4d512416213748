using Kvasir.Server.Answers;
using Kvasir.Server.Reading;

namespace Kvasir.Server.Anthropic;

/// <summary>Where blocks of a message say <c>cache_control</c>: what is before their ends is worth keeping.</summary>
internal sealed class CachePoints
{
    /// <summary>The longer of the two times that a mark may say.</summary>
    public static readonly TimeSpan Long = TimeSpan.FromHours(1);

    private const int Most = 4;
    private const int Tools = -1;
    private const int MostTools = 1024;
    private static readonly TimeSpan Short = TimeSpan.FromMinutes(5);
    private readonly List<CachePoint> _all = [];

    public IReadOnlyList<CachePoint> All => _all;

    /// <summary>Reads the mark of a block, if it has one.</summary>
    /// <param name="turn">That the block is a part of.</param>
    /// <param name="chars">Of the turn's content up to the block's end; null for all of the turn.</param>
    public void Read(RequestFields block, int turn, int? chars)
    {
        if (block.Find("cache_control") is not { } mark)
            return;
        var fields = mark.Object();
        fields.Require("type").Word("ephemeral");
        var time = fields.Find("ttl")?.Word("5m", "1h") == "1h" ? Long : Short;
        fields.IgnoreRest();
        if (_all.Count == Most)
            throw mark.Refused($"{mark.Path}: at most {Most} blocks of a request have cache_control, and this is one more");
        _all.Add(new CachePoint(turn, chars, time));
    }

    /// <summary>Reads those of tools, all of which are at one place of a prompt.</summary>
    public void ReadTools(RequestValue? tools)
    {
        foreach (var tool in tools?.Items(MostTools) ?? [])
            Read(tool.Object(), Tools, null);
    }
}
