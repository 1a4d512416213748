namespace Kvasir.Kernels.Threads;

/// <summary>Which CPUs threads of this process are bound to. CPUs are the process's, and so is this list: two pools that bind threads to the same ones would
/// halve each other.</summary>
public static class OwnedCpus
{
    private static readonly Lock Gate = new();
    private static readonly HashSet<int> Owned = [];

    /// <summary>Takes up to <paramref name="count"/> of some CPUs that nobody has.</summary>
    public static int[] Take(ReadOnlySpan<int> cpus, int count)
    {
        lock (Gate)
        {
            var taken = new List<int>();
            foreach (var cpu in cpus)
            {
                if (taken.Count < count && Owned.Add(cpu))
                    taken.Add(cpu);
            }

            return [.. taken];
        }
    }

    /// <summary>Gives them back, when no thread is bound to them any more.</summary>
    public static void Give(ReadOnlySpan<int> cpus)
    {
        lock (Gate)
        {
            foreach (var cpu in cpus)
                Owned.Remove(cpu);
        }
    }
}
