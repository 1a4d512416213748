using Kvasir.Attention;

namespace Kvasir.Requests.Guessing;

/// <summary>What a draft does not go together with.</summary>
internal static class DraftRules
{
    /// <param name="auditShare">Of what is attended sparsely, that is attended densely as well.</param>
    /// <exception cref="KvasirException">A draft's rows would be audited, or could not be taken back.</exception>
    public static void Require(AttentionPolicy policy, double auditShare)
    {
        if (auditShare > 0)
        {
            throw new KvasirException(
                KvasirError.BadOption, $"an audit share of {auditShare} has no place beside a draft, whose rows are no part of the answer; 0 turns it off");
        }

        if (!policy.SuitsGuesses)
        {
            throw new KvasirException(
                KvasirError.BadOption,
                $"{policy.Name} changes rows for good, so that guesses of a draft could not be taken back; 0 speculative tokens turn it off");
        }
    }
}
