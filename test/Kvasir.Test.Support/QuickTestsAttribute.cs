using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Runtime.Intrinsics;
using Xunit.v3;

[assembly: Kvasir.Test.Support.QuickTests]

namespace Kvasir.Test.Support;

/// <summary>A test that takes long and does not carry the trait Needs=Minutes has a warning: everyone waits for it every time. Machines are slow at times, so it fails nothing.</summary>
[AttributeUsage(AttributeTargets.Assembly)]
public sealed class QuickTestsAttribute : BeforeAfterTestAttribute
{
    // On two busy cores; the longest take a fifth of it on two idle ones.
    private const double LimitSeconds = 10;
    private const string Begin = "begin";

    public override void Before(MethodInfo methodUnderTest, IXunitTest test) => TestContext.Current.KeyValueStorage[Begin] = Stopwatch.GetTimestamp();

    public override void After(MethodInfo methodUnderTest, IXunitTest test)
    {
        var seconds = Stopwatch.GetElapsedTime((long)TestContext.Current.KeyValueStorage[Begin]!).TotalSeconds;
        // Without vectors everything takes long.
        if (seconds <= LimitSeconds || !Vector128.IsHardwareAccelerated || (test.Traits.TryGetValue("Needs", out var needs) && needs.Contains("Minutes")))
            return;
        TestContext.Current.AddWarning(
            string.Create(CultureInfo.InvariantCulture, $"{seconds:f1} s are more than {LimitSeconds}: make it quicker, or mark it [Trait(\"Needs\", \"Minutes\")]"));
    }
}
