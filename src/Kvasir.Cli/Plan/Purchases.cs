using Kvasir.Planning;

namespace Kvasir.Cli.Plan;

/// <summary>The questions that follow a plan: what to buy.</summary>
internal static class Purchases
{
    private const double Several = 4;

    /// <summary>Each thing alone.</summary>
    public static IReadOnlyList<Purchase> Of(TierPlanner planner, ModelSizes model, TierPlan plan, PlanRequest request)
    {
        var machine = plan.Machine;
        var bought = new List<Purchase>
        {
            new("twice the memory", planner.Best(request with { MemoryBytes = 2 * request.MemoryBytes })),
        };
        if ((plan.Chosen.OnFile || plan.Chosen.WeightsMemoryBytes > 0) && machine.Store is { } store)
        {
            var faster = store with
            {
                ReadsPerSecond = Several * store.ReadsPerSecond,
                BytesPerSecond = Several * store.BytesPerSecond,
                WriteBytesPerSecond = Several * store.WriteBytesPerSecond,
            };
            bought.Add(new($"a disk {Several} times as fast", new TierPlanner(model, machine with { Store = faster }).Best(request)));
        }

        bought.Add(new($"{Several} times the cores, each with its own memory bandwidth", new TierPlanner(model, machine.Faster(Several)).Best(request)));
        return bought;
    }
}

/// <summary>What a larger machine would change.</summary>
/// <param name="What">That is had more of, in words.</param>
/// <param name="Way">The way that would be chosen then; null where none fits.</param>
internal sealed record Purchase(string What, PlannedWay? Way);
