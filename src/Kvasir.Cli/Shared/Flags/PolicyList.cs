using System.Diagnostics.CodeAnalysis;
using Kvasir.Attention;
using Kvasir.Attention.Policies;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>
/// Several policies in one text, with commas between. Commas also stand between a policy's own options; a piece that has an equals sign, and no colon before
/// it, is an option of the policy to its left: <c>dense,psa:coverage=0.9,block=16,quest</c> are three. A piece that begins with an @ is a file that has one.
/// </summary>
internal static class PolicyList
{
    private const char FileSign = '@';

    /// <summary>Each policy once.</summary>
    public static readonly FlagValue<AttentionPolicy[]> Value = new("LIST", "a list of policies", TryParse) { Join = Joined, Choices = Names };

    /// <summary>One policy; none for the word that leaves the choice to the machine.</summary>
    public static readonly FlagValue<AttentionPolicy[]> OneOrAuto = new(
        "POLICY",
        "a policy",
        TryParseOne)
    { Choices = static () => [AutoAttention.Name, .. Names()] };

    private static string[] Names() => [.. PolicyCatalog.Entries.Select(static entry => entry.Name)];

    private static bool TryParse(string text, [MaybeNullWhen(false)] out AttentionPolicy[] policies)
    {
        policies = [.. Pieces(text).Select(One).DistinctBy(static policy => policy.Name)];
        return true;
    }

    private static List<string> Pieces(string text)
    {
        var pieces = new List<string>();
        foreach (var part in text.Split(',', StringSplitOptions.TrimEntries))
        {
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            if (pieces.Count > 0 && !part.StartsWith(FileSign) && equals >= 0 && !part[..equals].Contains(':', StringComparison.Ordinal))
                pieces[^1] += $",{part}";
            else
                pieces.Add(part);
        }

        return pieces;
    }

    private static AttentionPolicy[] Joined(AttentionPolicy[] first, AttentionPolicy[] more) =>
        [.. first.Concat(more).DistinctBy(static policy => policy.Name)];

    private static bool TryParseOne(string text, [MaybeNullWhen(false)] out AttentionPolicy[] policies)
    {
        if (!text.StartsWith(FileSign) && Pieces(text) is [_, _, ..] several && several.TrueForAll(IsNamed))
            throw new KvasirException(KvasirError.BadOption, $"one policy is taken here, and '{text}' is {several.Count}");
        policies = text == AutoAttention.Name ? [] : [One(text)];
        return true;
    }

    // As two parts are, where there are two.
    private static bool IsNamed(string piece) => PolicySpec.Family(piece).Split('+').All(Names().Contains);

    // The policy of a text such as psa:coverage=0.9, or of the file that @mine.policy names.
    private static AttentionPolicy One(string text)
    {
        if (PolicySpec.Family(text) == AutoAttention.Name)
        {
            throw new KvasirException(
                KvasirError.BadOption, $"'{AutoAttention.Name}' is no policy but chooses one, where a model answers; it has no options and stands in no list");
        }

        if (!text.StartsWith(FileSign))
            return PolicyCatalog.Parse(text);
        return text.Length > 1
            ? PolicyFile.Read(text[1..])
            : throw new KvasirException(KvasirError.BadOption, $"'{FileSign}' names no file; {FileSign}mine.policy reads a policy from one");
    }
}
