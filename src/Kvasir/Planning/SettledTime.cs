using System.Diagnostics;

namespace Kvasir.Planning;

/// <summary>
/// How long something takes once its code is optimised and its memory is there: windows of time are measured until they have become no shorter for a while. Of
/// their means the third shortest counts, or of few the shortest, since others who want the processor only make them longer.
/// </summary>
/// <param name="scale">1 for figures; less for whoever wants any figures soon.</param>
internal readonly struct SettledTime(double scale)
{
    private const double WindowMs = 12;
    private const double MostMs = 1200;
    private const double Gain = 0.98;
    private const int StalledWindows = 8;

    /// <param name="run">Does it once or several times, and says how many milliseconds one took.</param>
    public double Of(Func<double> run)
    {
        var (windows, best, stalled, start) = (new List<double>(), double.PositiveInfinity, 0, Stopwatch.GetTimestamp());
        while (stalled < StalledWindows && (windows.Count < 3 || Stopwatch.GetElapsedTime(start).TotalMilliseconds < MostMs * scale))
        {
            var (sum, count, begin) = (0.0, 0, Stopwatch.GetTimestamp());
            do
            {
                sum += run();
                count++;
            }
            while (Stopwatch.GetElapsedTime(begin).TotalMilliseconds < WindowMs * scale);

            var mean = sum / count;
            windows.Add(mean);
            stalled = mean < best * Gain ? 0 : stalled + 1;
            best = Math.Min(best, mean);
        }

        windows.Sort();
        return windows[Math.Min(2, windows.Count / 4)];
    }
}
