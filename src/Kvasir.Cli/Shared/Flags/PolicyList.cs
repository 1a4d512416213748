using System.CommandLine.Parsing;
using Kvasir.Attention;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>
/// Several policies in one text, with commas between. Commas also stand between a policy's own options; a piece that has an equals sign, and no colon before
/// it, is an option of the policy to its left: <c>dense,psa:coverage=0.9,block=16,quest</c> are three. A piece that begins with an @ is a file that has one.
/// </summary>
internal static class PolicyList
{
    private const char FileSign = '@';

    /// <summary>Each policy once; what is wrong with one goes to <paramref name="result"/>.</summary>
    public static AttentionPolicy[] Parse(ArgumentResult result, string option)
    {
        var policies = new List<string>();
        foreach (var part in result.Tokens.SelectMany(static token => token.Value.Split(',', StringSplitOptions.TrimEntries)))
        {
            if (policies.Count > 0 && !part.StartsWith(FileSign) && part.Contains('=', StringComparison.Ordinal) && !part.Split('=')[0].Contains(':', StringComparison.Ordinal))
                policies[^1] += $",{part}";
            else
                policies.Add(part);
        }

        try
        {
            return [.. policies.Select(One).DistinctBy(static policy => policy.Name)];
        }
        catch (KvasirException refusal)
        {
            result.AddError($"{option}: {refusal.Message}");
            return [];
        }
    }

    /// <summary>The policy of a text such as <c>psa:coverage=0.9</c>, or of the file that <c>@mine.policy</c> names.</summary>
    /// <exception cref="KvasirException">As <see cref="PolicyCatalog.Parse"/> and <see cref="PolicyFile.Read"/>.</exception>
    public static AttentionPolicy One(string text)
    {
        if (!text.StartsWith(FileSign))
            return PolicyCatalog.Parse(text);
        return text.Length > 1 ? PolicyFile.Read(text[1..]) : throw new KvasirException(KvasirError.BadOption, $"'{FileSign}' names no file; {FileSign}mine.policy reads a policy from one");
    }
}
