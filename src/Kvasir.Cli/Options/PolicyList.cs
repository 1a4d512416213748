using System.CommandLine.Parsing;
using Kvasir.Attention;

namespace Kvasir.Cli.Options;

/// <summary>
/// Several policies in one text, with commas between. Commas also stand between a policy's own options; a piece that has an equals sign, and no colon before
/// it, is an option of the policy to its left: <c>dense,psa:coverage=0.9,block=16,quest</c> are three.
/// </summary>
internal static class PolicyList
{
    private const string MinContext = "min-context";

    /// <summary>Each policy once; what is wrong with one goes to <paramref name="result"/>.</summary>
    public static AttentionPolicy[] Parse(ArgumentResult result, string option)
    {
        var policies = new List<string>();
        foreach (var part in result.Tokens.SelectMany(static token => token.Value.Split(',', StringSplitOptions.TrimEntries)))
        {
            if (policies.Count > 0 && part.Contains('=', StringComparison.Ordinal) && !part.Split('=')[0].Contains(':', StringComparison.Ordinal))
                policies[^1] += $",{part}";
            else
                policies.Add(part);
        }

        try
        {
            return [.. policies.Distinct().Select(PolicyCatalog.Parse)];
        }
        catch (KvasirException refusal)
        {
            result.AddError($"{option}: {refusal.Message}");
            return [];
        }
    }

    /// <summary>The policy with another min-context, unless it was told one or takes none.</summary>
    public static AttentionPolicy WithMinContext(AttentionPolicy policy, int tokens)
    {
        var isTold = policy.Name.Contains($"{MinContext}=", StringComparison.Ordinal);
        var takes = PolicyCatalog.Entries.Any(entry => entry.Name == policy.Name.Split(':')[0] && entry.Options.Any(static option => option.Name == MinContext));
        return isTold || !takes ? policy : PolicyCatalog.Parse($"{policy.Name}{(policy.Name.Contains(':', StringComparison.Ordinal) ? ',' : ':')}{MinContext}={tokens}");
    }
}
