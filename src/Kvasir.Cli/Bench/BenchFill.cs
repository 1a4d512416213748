namespace Kvasir.Cli.Bench;

/// <summary>How a cache comes to the depth that is measured.</summary>
internal enum BenchFill
{
    /// <summary>By computing as many prompt tokens.</summary>
    Prefill,

    /// <summary>By writing random keys and values.</summary>
    Random,
}
