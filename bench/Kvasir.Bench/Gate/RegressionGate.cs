using System.Diagnostics;
using System.Globalization;

namespace Kvasir.Bench.Gate;

/// <summary>
/// What CI holds speed to: ratios of each kernel to its scalar form within one run, and the bytes that a decode step allocates. No absolute
/// time, which would say more about the machine than about the change.
/// </summary>
internal static class RegressionGate
{
    private const int Rounds = 12;
    private const double RoundSeconds = 0.004;

    // The runtime compiles a method well only after it has been called for a while; it counts no branches here.
    private const double WarmSeconds = 0.1;

    /// <summary>0 when every case holds, else 1.</summary>
    public static int Run()
    {
        var failures = 0;
        Console.WriteLine($"{"kernel",-44} {"variant",-10} {"ratio",8} {"least",8}");
        using var cases = new GateCases();
        foreach (var @case in cases.All)
        {
            // What seems too slow is measured once more: neighbours of the machine disturb for seconds, too.
            var ratio = Ratio(@case);
            if (ratio < @case.LeastRatio)
                ratio = Math.Max(ratio, Ratio(@case));
            var isSlow = ratio < @case.LeastRatio;
            failures += isSlow ? 1 : 0;
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{@case.Name,-44} {@case.Variant,-10} {ratio,8:F1} {@case.LeastRatio,8:F1}{(isSlow ? "  too slow" : "")}"));
        }

        foreach (var table in VariantTables.Missing(cases.Tables))
        {
            failures++;
            Console.WriteLine($"{table}: no case runs this table of variants");
        }

        var allocated = DecodeAllocation.BytesPerStep();
        Console.WriteLine($"{"bytes allocated per decode step",-44} {"",-10} {allocated,8} {0,8}");
        failures += allocated == 0 ? 0 : 1;
        Console.WriteLine(failures == 0 ? "passed" : $"{failures} failed");
        return failures == 0 ? 0 : 1;
    }

    // The best of many short rounds, one after the other: whatever else the machine does disturbs some rounds of both.
    private static double Ratio(GateCase @case)
    {
        var (scalar, fastest) = (double.MaxValue, double.MaxValue);
        _ = SecondsPerCall(@case.Scalar, WarmSeconds);
        _ = SecondsPerCall(@case.Fastest, WarmSeconds);
        for (var round = 0; round < Rounds; round++)
        {
            scalar = Math.Min(scalar, SecondsPerCall(@case.Scalar, RoundSeconds));
            fastest = Math.Min(fastest, SecondsPerCall(@case.Fastest, RoundSeconds));
        }

        return scalar / fastest;
    }

    private static double SecondsPerCall(Action action, double seconds)
    {
        var calls = 0;
        var start = Stopwatch.GetTimestamp();
        do
        {
            action();
            calls++;
        }
        while (Stopwatch.GetElapsedTime(start).TotalSeconds < seconds);
        return Stopwatch.GetElapsedTime(start).TotalSeconds / calls;
    }
}
