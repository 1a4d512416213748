using Kvasir.Attention;

namespace Kvasir.Evaluation.Tuning;

/// <summary>Finds the smallest budget of a policy that keeps a target: a coarse list first, then halves of the step in which the target is crossed.</summary>
/// <param name="target">What is to be kept.</param>
/// <param name="steps">The most budgets that are tried between those of the list.</param>
public sealed class BudgetSearch(double target, int steps)
{
    /// <summary>The smallest budget that was tried and keeps the target; null where none of the list does.</summary>
    /// <param name="budgets">From few keys to many; those behind the first that keeps the target are not tried.</param>
    /// <param name="measure">What a budget keeps.</param>
    public PolicyBudget? Find(IReadOnlyList<PolicyBudget> budgets, Func<PolicyBudget, double> measure)
    {
        ArgumentNullException.ThrowIfNull(budgets);
        ArgumentNullException.ThrowIfNull(measure);
        var first = 0;
        while (first < budgets.Count && !(measure(budgets[first]) >= target))
            first++;
        if (first == budgets.Count)
            return null;
        return first == 0 ? budgets[0] : Narrow(budgets[first - 1], budgets[first], measure);
    }

    private PolicyBudget Narrow(PolicyBudget few, PolicyBudget many, Func<PolicyBudget, double> measure)
    {
        for (var step = 0; step < steps && PolicyBudget.Between(few, many) is { } middle; step++)
            (few, many) = measure(middle) >= target ? (few, middle) : (middle, many);
        return many;
    }
}
